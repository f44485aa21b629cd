-- connection_paths.path_contacts(chains, number): the contacts of one of the chains that search found, the target last.
--
-- chains   search's: a row of six for each, nulls after the last
-- number   which of them, from 1
--
-- Inlined.
CREATE OR REPLACE FUNCTION connection_paths.path_contacts(chains bigint[], number bigint)
RETURNS bigint[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT array_remove(
        ARRAY[
            chains[number][1], chains[number][2], chains[number][3],
            chains[number][4], chains[number][5], chains[number][6]
        ],
        NULL
    );
END;

COMMENT ON FUNCTION connection_paths.path_contacts(bigint[], bigint) IS 'Contacts of one of the chains that search found, the target last';

REVOKE ALL ON FUNCTION connection_paths.path_contacts(bigint[], bigint) FROM PUBLIC;

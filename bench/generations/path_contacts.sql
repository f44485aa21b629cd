-- generations.path_contacts(chains, position)
--
-- Returns the contacts of one chain of the array that generations.search returns.
CREATE OR REPLACE FUNCTION generations.path_contacts(chains bigint[], number bigint)
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

COMMENT ON FUNCTION generations.path_contacts(bigint[], bigint) IS 'Contacts of one of the chains that search found, the target last';

REVOKE ALL ON FUNCTION generations.path_contacts(bigint[], bigint) FROM PUBLIC;

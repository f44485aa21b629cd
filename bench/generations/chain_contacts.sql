-- generations.chain_contacts(contact_ids, parents, chain)
--
-- Returns the contacts of one chain of a tree of chains.
CREATE OR REPLACE FUNCTION generations.chain_contacts(contact_ids bigint[], parents integer[], chain integer)
RETURNS bigint[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT array_remove(
        ARRAY[
            contact_ids[chain],
            contact_ids[parents[chain]],
            contact_ids[parents[parents[chain]]],
            contact_ids[parents[parents[parents[chain]]]],
            contact_ids[parents[parents[parents[parents[chain]]]]],
            contact_ids[parents[parents[parents[parents[parents[chain]]]]]]
        ],
        NULL
    );
END;

COMMENT ON FUNCTION generations.chain_contacts(bigint[], integer[], integer) IS 'Contacts of a chain in the tree that search makes, the target last';

REVOKE ALL ON FUNCTION generations.chain_contacts(bigint[], integer[], integer) FROM PUBLIC;

-- connection_paths.chain_contacts(contact_ids, parents, chain)
--
-- Gives the contacts of one chain in the tree of a search.
--
-- Parameters
--     contact_ids  The first contact of each chain of the tree.
--     parents      The rest of each chain, itself a chain; 0 for chain 1, the target alone.
--     chain        The number of the chain.
-- Returns
--     The contacts, the target last.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     next_contacts, path_rows, path_documents
-- Why
--     One expression without a loop, so the planner inlines it. A path has at most six contacts. No NULL in the
--     arrays:
--     an array with a NULL is read from its beginning at every subscript.
CREATE OR REPLACE FUNCTION connection_paths.chain_contacts(contact_ids bigint[], parents integer[], chain integer)
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

COMMENT ON FUNCTION connection_paths.chain_contacts(bigint[], integer[], integer) IS 'Contacts of a chain in the tree that search makes, the target last';

REVOKE ALL ON FUNCTION connection_paths.chain_contacts(bigint[], integer[], integer) FROM PUBLIC;

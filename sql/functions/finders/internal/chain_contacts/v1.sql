-- connection_paths.chain_contacts(contact_id, contact_ids, parents, parent)
--
-- Gives the contacts of a chain, from the tree that search makes.
--
-- Parameters
--     contact_id   The first contact of the chain.
--     contact_ids  The first contact of each chain of the tree.
--     parents      The rest of each chain of the tree, itself a chain; 0 for chain 1, the target alone.
--     parent       The rest of the chain, a chain of the tree; 0 where the first contact is the target.
-- Returns
--     The contacts, the target last.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     next_contacts, first_per_introducer, path_rows, path_documents
-- Why
--     One expression without a loop, so the planner inlines it. A path has at most six contacts. No NULL in the
--     arrays: an array with a NULL is read from its beginning at every subscript.
CREATE OR REPLACE FUNCTION connection_paths.chain_contacts(
    contact_id bigint,
    contact_ids bigint[],
    parents integer[],
    parent integer
)
RETURNS bigint[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT array_remove(
        ARRAY[
            contact_id,
            contact_ids[parent],
            contact_ids[parents[parent]],
            contact_ids[parents[parents[parent]]],
            contact_ids[parents[parents[parents[parent]]]],
            contact_ids[parents[parents[parents[parents[parent]]]]]
        ],
        NULL
    );
END;

COMMENT ON FUNCTION connection_paths.chain_contacts(bigint, bigint[], integer[], integer) IS 'Contacts of a chain in the tree that search makes, the target last';

REVOKE ALL ON FUNCTION connection_paths.chain_contacts(bigint, bigint[], integer[], integer) FROM PUBLIC;

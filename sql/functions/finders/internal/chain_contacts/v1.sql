-- connection_paths.chain_contacts(contact_ids, parents, chain): the contacts of one chain of a search, the target last.
--
-- contact_ids, parents  the tree of chains that search makes: a chain is a contact in front of another chain, its
--                       parent
-- chain                 which one; chain 1 is the target alone, and its parent is 0
--
-- One expression, so that it is inlined: a path has six contacts at most. What lies outside an array is NULL.
-- (No NULL in parents itself: an array that holds one is read from its beginning for every subscript.)
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

-- connection_paths.members_off_chain(neighbour_ids, recencies, strengths, chain_contact_ids, most)
--
-- Gives those members of a contact's list who are not on a chain, the best edge first.
--
-- Parameters
--     neighbour_ids      The list: members to whom a contact leads, the best edge first. A member stands there once for
--                        each kind of edge.
--     recencies          The recency of each of these edges.
--     strengths          The strength of each of these edges; NULL where the order is by recency.
--     chain_contact_ids  The contacts of the chain.
--     most               How many members at most. NULL: all.
-- Returns
--     One row per member.
--     contact_id  The member.
--     recency     The recency of the best edge to the member.
--     strength    The strength of that edge; NULL where the order is by recency.
--     place       The place of the member, from 1.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     next_contacts
-- Why
--     The planner inlines this function. With one kind of edges no member is searched for in the list.
CREATE OR REPLACE FUNCTION connection_paths.members_off_chain(
    neighbour_ids bigint[],
    recencies date[],
    strengths smallint[],
    chain_contact_ids bigint[],
    most bigint
)
RETURNS TABLE (contact_id bigint, recency date, strength smallint, place bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 15
BEGIN ATOMIC
    SELECT r.contact_id, r.recency, r.strength, row_number() OVER ()
    FROM (
        SELECT
            unnest(members_off_chain.neighbour_ids) AS contact_id,
            unnest(members_off_chain.recencies) AS recency,
            unnest(members_off_chain.strengths) AS strength,
            generate_subscripts(members_off_chain.neighbour_ids, 1) AS position
    ) AS r
    WHERE r.contact_id <> ALL (members_off_chain.chain_contact_ids)
        AND (
            cardinality(enum_range(NULL::connection_paths.connection_kind)) = 1
            OR array_position(members_off_chain.neighbour_ids, r.contact_id) = r.position
        )
    LIMIT members_off_chain.most;
END;

COMMENT ON FUNCTION connection_paths.members_off_chain(bigint[], date[], smallint[], bigint[], bigint) IS 'Members of a list who are not on a chain, the best edge first';

REVOKE ALL ON FUNCTION connection_paths.members_off_chain(bigint[], date[], smallint[], bigint[], bigint) FROM PUBLIC;

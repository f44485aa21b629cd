-- connection_paths.first_per_introducer(request, tree_contacts, tree_parents, contacts, parents, recencies, users,
--     introducers, most)
--
-- Keeps, of the paths of a depth, at most max_per_introducer with the same contact before the target.
--
-- Parameters
--     request        What is asked, already checked. Required.
--     tree_contacts  The first contact of each chain of the tree.
--     tree_parents   The rest of each chain, itself a chain.
--     contacts       The first contact of each path, the best path first.
--     parents        The chain that each makes longer.
--     recencies      The recency of each.
--     users          The user of each.
--     introducers    The contacts before the target of the paths of smaller depths; NULL where there is none.
--     most           How many paths at most.
-- Returns
--     One row.
--     contacts     The first contact of each path that is kept.
--     parents      The chain that each makes longer.
--     recencies    The recency of each.
--     users        The user of each; NULL where a chain counts once.
--     introducers  The contacts before the target of the paths of smaller depths, and of those that are kept.
--     is_limited   True when a path was left out because of its introducer.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     longer_paths
CREATE OR REPLACE FUNCTION connection_paths.first_per_introducer(
    request connection_paths.search_request,
    tree_contacts bigint[],
    tree_parents integer[],
    contacts bigint[],
    parents integer[],
    recencies date[],
    users bigint[],
    introducers bigint[],
    most integer
)
RETURNS TABLE (
    contacts bigint[], parents integer[], recencies date[], users bigint[], introducers bigint[], is_limited boolean
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH paths AS MATERIALIZED (
        SELECT
            p.*,
            row_number() OVER (PARTITION BY p.introducer ORDER BY p.position) + (
                SELECT count(*)
                FROM unnest(first_per_introducer.introducers) AS f (introducer)
                WHERE f.introducer = p.introducer
            ) <= (first_per_introducer.request).max_per_introducer AS is_kept
        FROM (
            SELECT f.*, c.contact_ids[cardinality(c.contact_ids) - 1] AS introducer
            FROM unnest(
                first_per_introducer.contacts, first_per_introducer.parents, first_per_introducer.recencies,
                first_per_introducer.users
            ) WITH ORDINALITY AS f (contact_id, parent, recency, user_id, position)
            CROSS JOIN LATERAL (
                SELECT connection_paths.chain_contacts(
                    f.contact_id, first_per_introducer.tree_contacts, first_per_introducer.tree_parents, f.parent
                ) AS contact_ids
            ) AS c
        ) AS p
    )
    SELECT
        array_agg(p.contact_id), array_agg(p.parent), array_agg(p.recency), array_agg(p.user_id),
        first_per_introducer.introducers || array_agg(p.introducer),
        EXISTS (SELECT FROM paths AS p WHERE NOT p.is_kept)
    FROM (
        SELECT p.*
        FROM paths AS p
        WHERE p.is_kept
        ORDER BY p.position
        LIMIT first_per_introducer.most
    ) AS p;
END;

COMMENT ON FUNCTION connection_paths.first_per_introducer(connection_paths.search_request, bigint[], integer[], bigint[], integer[], date[], bigint[], bigint[], integer) IS 'The first paths of each contact before the target';

REVOKE ALL ON FUNCTION connection_paths.first_per_introducer(connection_paths.search_request, bigint[], integer[], bigint[], integer[], date[], bigint[], bigint[], integer)
FROM PUBLIC;

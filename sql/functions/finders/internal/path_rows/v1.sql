-- connection_paths.path_rows(request, tree_contacts, tree_parents, contacts, parents, users, recencies)
--
-- Gives the paths that a search found as rows of deep_finder.
--
-- Parameters
--     request        What is asked, already checked. Required.
--     tree_contacts  The first contact of each chain of the tree that search returned.
--     tree_parents   The rest of each chain, itself a chain; 0 for the target alone.
--     contacts       The first contact of each path, the best path first.
--     parents        The rest of each path, a chain of the tree; 0 where the target is the first contact.
--     users          The user who opens each path.
--     recencies      The recency of each path; NULL at depth 1.
-- Returns
--     A row per path and user, the best first.
--     depth             Contacts on the path.
--     user_id           The user who opens it.
--     contact_ids       The contacts, from the first one, whom the user brought in, to the target.
--     organization_ids  The organization of each edge of the path.
--     date_froms        The first day of each edge.
--     date_tos          The last day of each edge; NULL: it goes on.
--     recency           The latest last day on the path, at most today; NULL at depth 1.
--     strength          The strength of the weakest edge of the path; NULL at depth 1.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     deep_finder, legacy_finder
CREATE OR REPLACE FUNCTION connection_paths.path_rows(
    request connection_paths.search_request,
    tree_contacts bigint[],
    tree_parents integer[],
    contacts bigint[],
    parents integer[],
    users bigint[],
    recencies date[]
)
RETURNS TABLE (
    depth integer,
    user_id bigint,
    contact_ids bigint[],
    organization_ids bigint[],
    date_froms date[],
    date_tos date[],
    recency date,
    strength smallint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
BEGIN ATOMIC
    SELECT
        cardinality(p.contact_ids),
        p.user_id,
        p.contact_ids,
        COALESCE(hops.organization_ids, '{}'),
        COALESCE(hops.date_froms, '{}'),
        COALESCE(hops.date_tos, '{}'),
        p.recency,
        hops.strength
    FROM (
        SELECT
            f.position,
            f.user_id,
            connection_paths.chain_contacts(
                f.contact_id, path_rows.tree_contacts, path_rows.tree_parents, f.parent
            ) AS contact_ids,
            f.recency
        FROM unnest(path_rows.contacts, path_rows.parents, path_rows.users, path_rows.recencies)
            WITH ORDINALITY AS f (contact_id, parent, user_id, recency, position)
        ORDER BY f.position
        OFFSET 0
    ) AS p
    CROSS JOIN LATERAL (
        SELECT
            array_agg(d.organization_id) AS organization_ids,
            array_agg(d.date_from) AS date_froms,
            array_agg(d.date_to) AS date_tos,
            min(d.strength) AS strength
        FROM (SELECT generate_series(1, cardinality(p.contact_ids) - 1) AS hop) AS n -- in this order
        CROSS JOIN LATERAL connection_paths.edge_details(
            p.contact_ids[n.hop], p.contact_ids[n.hop + 1], path_rows.request
        ) AS d
    ) AS hops
    ORDER BY p.position;
END;

COMMENT ON FUNCTION connection_paths.path_rows(connection_paths.search_request, bigint[], integer[], bigint[], integer[], bigint[], date[]) IS 'The paths that a search found, as rows of deep_finder';

REVOKE ALL ON FUNCTION connection_paths.path_rows(connection_paths.search_request, bigint[], integer[], bigint[], integer[], bigint[], date[])
FROM PUBLIC;

-- connection_paths.deep_finder(target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope,
--     max_edges_per_hop, order_by, kinds, min_strength, ended_after, via_organization_ids, not_via_organization_ids,
--     opener_user_ids, max_per_introducer)
--
-- Finds paths to a contact from the edge table, a row per path and user.
--
-- Parameters
--     target_contact_id         The contact to be introduced to. Required; an unknown id gives an empty answer.
--     collection_id             The collection whose members may be asked. Required; an unknown id gives an empty
--                               answer.
--     viewer_user_id            The user who asks. Required.
--     max_depth                 The most contacts on a path, 1 to 6.
--     max_paths                 The most paths to return, 1 to 1,000.
--     seed_scope                Who may open a path: 'any' (every user of the collection) or 'importer' (only the
--                               viewer).
--     max_edges_per_hop         Through how many best edges of a contact the search goes on, 1 or more. NULL: all.
--     order_by                  Which edges and paths come first: 'recency' (those that end last) or 'strength' (the
--                               strongest).
--     kinds                     Only edges of these kinds. NULL: every kind.
--     min_strength              Only edges of at least this strength, 0 to 100. NULL: every edge.
--     ended_after               Only edges that go on, or end on this day or later. NULL: every edge.
--     via_organization_ids      Only edges of these organizations, 1 to 1,000 of them. NULL: every edge.
--     not_via_organization_ids  No edge of these organizations, at most 1,000 of them. NULL: every edge.
--     opener_user_ids           Only these users open paths, 1 to 1,000 of them. NULL: every user.
--     max_per_introducer        How many paths may have the same contact before the target, 1 or more. NULL: any
--                               number.
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
--     22004  An argument is NULL that must not be.
--     22023  An argument is outside its range.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     applications, orchestrator/sweep/measure/targets.py
-- Why
--     One plan serves every call (force_generic_plan): planning these statements costs more than running them. Plans
--     must read by index, in its order, whatever the tables held when a session planned; hence no sequential scans
--     and no sorts of edges. Nested loops are off because arrays are joined by hashing; index look-ups do not need
--     them. Without parallel workers, the parts of a UNION ALL are read in the order in which they are written, which
--     the search by strength needs.
CREATE OR REPLACE FUNCTION connection_paths.deep_finder(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer DEFAULT 2,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any',
    max_edges_per_hop integer DEFAULT connection_paths.search_limit('max_edges_per_hop'),
    order_by text DEFAULT 'recency',
    kinds text[] DEFAULT NULL,
    min_strength integer DEFAULT NULL,
    ended_after date DEFAULT NULL,
    via_organization_ids bigint[] DEFAULT NULL,
    not_via_organization_ids bigint[] DEFAULT NULL,
    opener_user_ids bigint[] DEFAULT NULL,
    max_per_introducer integer DEFAULT NULL
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
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET max_parallel_workers_per_gather = 0
SET enable_seqscan = off
SET enable_sort = off
SET enable_incremental_sort = off
SET enable_nestloop = off
SET enable_mergejoin = off
AS $function$
#variable_conflict use_column
DECLARE
    request connection_paths.search_request;
    found record;
BEGIN
    request := connection_paths.checked_request(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop, order_by,
        kinds, min_strength, ended_after, via_organization_ids, not_via_organization_ids, opener_user_ids,
        max_per_introducer
    );
    found := connection_paths.search(request);
    IF found.paths = '{}' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT p.depth, p.user_id, p.contact_ids, p.organization_ids, p.date_froms, p.date_tos, p.recency, p.strength
    FROM connection_paths.path_rows(request, found.paths) AS p;
END
$function$;

COMMENT ON FUNCTION connection_paths.deep_finder(bigint, bigint, bigint, integer, integer, text, integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer) IS 'Introduction paths to a contact, a row per path and user, best first';

REVOKE ALL ON FUNCTION connection_paths.deep_finder(bigint, bigint, bigint, integer, integer, text, integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer)
FROM PUBLIC;

-- connection_paths.legacy_finder(target_contact_id, collection_id, viewer_user_id, max_paths, seed_scope)
--
-- Finds paths of at most two contacts straight from work experiences, without the edge table.
--
-- Parameters
--     target_contact_id  The contact to be introduced to. Required; an unknown id gives an empty answer.
--     collection_id      The collection whose members may be asked. Required; an unknown id gives an empty answer.
--     viewer_user_id     The user who asks. Required.
--     max_paths          The most paths to return, 1 to 1,000.
--     seed_scope         Who may open a path: 'any' (every user of the collection) or 'importer' (only the viewer).
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
--     applications
-- Why
--     It is the same search with another source of edges. It serves while edges are not built, and to compare: with
--     all edges built and one kind, deep_finder to depth 2 returns the same rows. For the settings see deep_finder.
CREATE OR REPLACE FUNCTION connection_paths.legacy_finder(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any'
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
        target_contact_id, collection_id, viewer_user_id, 2, max_paths, seed_scope, NULL, 'recency',
        NULL, NULL, NULL, NULL, NULL, NULL, NULL
    );
    request.given_edges := connection_paths.edges_from_experiences(target_contact_id);
    found := connection_paths.search(request);
    IF found.paths = '{}' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT p.depth, p.user_id, p.contact_ids, p.organization_ids, p.date_froms, p.date_tos, p.recency, p.strength
    FROM connection_paths.path_rows(request, found.paths) AS p;
END
$function$;

COMMENT ON FUNCTION connection_paths.legacy_finder(bigint, bigint, bigint, integer, text) IS 'Finds introduction paths of at most two contacts, without the edge table; a row per path and user, best first';

REVOKE ALL ON FUNCTION connection_paths.legacy_finder(bigint, bigint, bigint, integer, text) FROM PUBLIC;

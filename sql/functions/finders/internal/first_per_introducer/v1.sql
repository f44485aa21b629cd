-- connection_paths.first_per_introducer(request, paths)
--
-- Keeps, of some paths, at most max_per_introducer with the same contact before the target, and at most max_found.
--
-- Parameters
--     request  What is asked, already checked, with max_per_introducer. Required.
--     paths    The paths, the best path first.
-- Returns
--     One row.
--     paths       The paths that are kept. A path of the target alone has no contact before it, and stays.
--     is_limited  True when a path was left out because of the contact before the target.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search, longer_paths
CREATE OR REPLACE FUNCTION connection_paths.first_per_introducer(
    request connection_paths.search_request,
    paths connection_paths.ranked_chain[]
)
RETURNS TABLE (paths connection_paths.ranked_chain[], is_limited boolean)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        (COALESCE(
            array_agg(ROW(p.contact_ids, p.user_id, p.rank)::connection_paths.ranked_chain ORDER BY p.position)
                FILTER (WHERE p.place <= (first_per_introducer.request).max_per_introducer),
            '{}'
        ))[:(first_per_introducer.request).max_found],
        COALESCE(bool_or(p.place > (first_per_introducer.request).max_per_introducer), false)
    FROM (
        SELECT
            p.*,
            CASE WHEN cardinality(p.contact_ids) > 1 THEN
                row_number() OVER (PARTITION BY p.contact_ids[cardinality(p.contact_ids) - 1] ORDER BY p.position)
            ELSE 1 END AS place
        FROM unnest(first_per_introducer.paths) WITH ORDINALITY AS p (contact_ids, user_id, rank, position)
    ) AS p;
END;

COMMENT ON FUNCTION connection_paths.first_per_introducer(connection_paths.search_request, connection_paths.ranked_chain[]) IS 'The first paths of each contact before the target';

REVOKE ALL ON FUNCTION connection_paths.first_per_introducer(connection_paths.search_request, connection_paths.ranked_chain[]) FROM PUBLIC;

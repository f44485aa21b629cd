-- connection_paths.has_edge_filters(request)
--
-- Says whether a search has a filter on edges.
--
-- Parameters
--     request  What is asked, already checked. Required.
-- Returns
--     True or false.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search, count_around_target, why_no_more
CREATE OR REPLACE FUNCTION connection_paths.has_edge_filters(request connection_paths.search_request)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT (has_edge_filters.request).kinds IS NOT NULL
        OR (has_edge_filters.request).min_strength IS NOT NULL
        OR (has_edge_filters.request).ended_after IS NOT NULL
        OR (has_edge_filters.request).via_organization_ids IS NOT NULL
        OR (has_edge_filters.request).not_via_organization_ids IS NOT NULL;
END;

COMMENT ON FUNCTION connection_paths.has_edge_filters(connection_paths.search_request) IS 'Whether a search has a filter on edges';

REVOKE ALL ON FUNCTION connection_paths.has_edge_filters(connection_paths.search_request) FROM PUBLIC;

-- connection_paths.edge_passes(request, kind, strength, date_to, organization_id)
--
-- Says whether an edge passes the filters of a search.
--
-- Parameters
--     request          What is asked, already checked. Required.
--     kind             The kind of the edge.
--     strength         The strength of the edge.
--     date_to          The last day of the edge; NULL: it goes on.
--     organization_id  The organization of the edge; NULL where its kind knows none.
-- Returns
--     True or false. An edge without an organization passes not_via_organization_ids, and not via_organization_ids.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     contact_edges, pair_edges, near_members, count_around_target
-- Why
--     No other function of one server knows the filters on edges. Where Citus distributes the edges, shard_edges
--     repeats them. An edge that does not pass does not exist for the search.
--     The planner inlines this function.
CREATE OR REPLACE FUNCTION connection_paths.edge_passes(
    request connection_paths.search_request,
    kind connection_paths.connection_kind,
    strength smallint,
    date_to date,
    organization_id bigint
)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    -- a filter that is not set is NULL, and makes its comparison NULL
    SELECT (edge_passes.kind = ANY ((edge_passes.request).kinds)) IS NOT FALSE
        AND (edge_passes.strength >= (edge_passes.request).min_strength) IS NOT FALSE
        AND (edge_passes.date_to >= (edge_passes.request).ended_after) IS NOT FALSE
        AND (
            (edge_passes.request).via_organization_ids IS NULL
            OR (edge_passes.organization_id = ANY ((edge_passes.request).via_organization_ids)) IS TRUE
        )
        AND (edge_passes.organization_id = ANY ((edge_passes.request).not_via_organization_ids)) IS NOT TRUE;
END;

COMMENT ON FUNCTION connection_paths.edge_passes(connection_paths.search_request, connection_paths.connection_kind, smallint, date, bigint) IS 'Whether an edge passes the filters of a search';

REVOKE ALL ON FUNCTION connection_paths.edge_passes(connection_paths.search_request, connection_paths.connection_kind, smallint, date, bigint)
FROM PUBLIC;

-- connection_paths.longest_wait()
--
-- Returns the largest number of days between the start of an overlap and the day from which it makes an edge.
--
-- Parameters
--     none
-- Returns
--     The largest min_overlap_days of all organizations, minus 1. 0 when no organization is limited.
-- Errors
--     none
-- Reads
--     organization_policy
-- Writes
--     none
-- Used by
--     rebuild_range, schedule_refreshes
-- Why
--     An overlap of a limited organization makes an edge from its last required day on. So only work experiences that
--     began within this number of days, or begin in the future, can make new edges on a later day.
CREATE OR REPLACE FUNCTION connection_paths.longest_wait()
RETURNS integer
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT COALESCE(max(p.min_overlap_days) - 1, 0)
    FROM connection_paths.organization_policy AS p;
END;

COMMENT ON FUNCTION connection_paths.longest_wait() IS 'The largest number of days between the start of an overlap and the day from which it makes an edge';

REVOKE ALL ON FUNCTION connection_paths.longest_wait() FROM PUBLIC;

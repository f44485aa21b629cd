-- connection_paths.longest_wait()
--
-- Returns how many days after its start an overlap may begin to count at most.
--
-- Parameters
--     none
-- Returns
--     The largest min_overlap_days of all organizations, minus 1. 0 without such a policy.
-- Errors
--     none
-- Reads
--     organization_policy
-- Writes
--     none
-- Used by
--     rebuild_range, schedule_refreshes
-- Why
--     An overlap of min_overlap_days days counts from its last required day on. So only work experiences that began
--     within this number of days, or begin in the future, can begin to count on a later day.
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

COMMENT ON FUNCTION connection_paths.longest_wait() IS 'How many days after its start an overlap may begin to count at most, by organization_policy';

REVOKE ALL ON FUNCTION connection_paths.longest_wait() FROM PUBLIC;

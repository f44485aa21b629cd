-- connection_paths.count_is_good_for()
--
-- Returns how long the package uses a count of the people of an organization.
--
-- Parameters
--     none
-- Returns
--     A day.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     count_organizations, recount_organizations, resize_organizations, sql/queries/changes/changes_left.sql,
--     sql/queries/edges/wrong_sizes.sql, sql/queries/doctor/old_counts.sql
CREATE OR REPLACE FUNCTION connection_paths.count_is_good_for()
RETURNS interval
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT interval '1 day';
END;

COMMENT ON FUNCTION connection_paths.count_is_good_for() IS 'How long a count of the people of an organization is used';

REVOKE ALL ON FUNCTION connection_paths.count_is_good_for() FROM PUBLIC;

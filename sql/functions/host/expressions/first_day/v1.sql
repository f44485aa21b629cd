-- connection_paths.first_day(year, month)
--
-- Makes a date of a year and a month, and returns NULL where there is no such month.
--
-- Parameters
--     year   The year, 1 to 9999. Otherwise the result is NULL.
--     month  The month, 1 to 12. NULL: January. Otherwise the result is NULL.
-- Returns
--     The first day of the month, or NULL.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     applications
-- Why
--     make_date raises an error for a month 0. In the expression of an index this error would make an INSERT of the
--     application fail.
CREATE OR REPLACE FUNCTION connection_paths.first_day(year integer, month integer)
RETURNS date
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        CASE
            WHEN first_day.year >= 1 AND first_day.year <= 9999
                AND COALESCE(first_day.month, 1) >= 1 AND COALESCE(first_day.month, 1) <= 12
                THEN pg_catalog.make_date(first_day.year, COALESCE(first_day.month, 1), 1)
        END;
END;

COMMENT ON FUNCTION connection_paths.first_day(integer, integer) IS 'A date from a year and a month; NULL where there is no such month. For mappings';

REVOKE ALL ON FUNCTION connection_paths.first_day(integer, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION connection_paths.first_day(integer, integer) TO PUBLIC;

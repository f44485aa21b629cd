-- connection_paths.class_fits(people, number)
--
-- Checks whether an organization with some number of people may stay in its size class.
--
-- Parameters
--     people  The size class of the organization. NULL gives NULL.
--     number  The number of people. NULL gives NULL.
-- Returns
--     true when the number is in the class or less than 25 % outside of it.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     resize_organizations, sql/queries/edges/wrong_sizes.sql
-- Why
--     Without the 25 %, the edges of an organization whose size goes up and down around the limit of a class would
--     change again and again. For the same reason a class may differ between two databases with the same data.
CREATE OR REPLACE FUNCTION connection_paths.class_fits(people integer, number bigint)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT class_fits.people BETWEEN connection_paths.size_class(class_fits.number / 1.25::double precision)
        AND connection_paths.size_class(class_fits.number * 1.25::double precision);
END;

COMMENT ON FUNCTION connection_paths.class_fits(integer, bigint) IS 'Whether an organization with some number of people may stay in its size class';

REVOKE ALL ON FUNCTION connection_paths.class_fits(integer, bigint) FROM PUBLIC;

-- connection_paths.size_class(people)
--
-- Returns the size class of a number of people.
--
-- Parameters
--     people  The number of people. Less than 1 counts as 1, and more than 500 million as 500 million. NULL gives NULL.
-- Returns
--     1, 2, 5, 10, 20, 50, 100 and so on: the nearest one, in proportion.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     class_fits, count_organizations, own_stints, resize_organizations
-- Why
--     The strength of an edge depends on the size of an organization. With the exact number, each new colleague would
--     change all edges of the organization.
--
--     The classes are listed and not computed, because PostgreSQL inlines only a body that is one expression without
--     FROM. A sync asks for two classes of each organization that it counts, and a call that is not inlined takes some
--     microseconds (docs/adr/0021-a-sync-refreshes-whole-contacts.md).
CREATE OR REPLACE FUNCTION connection_paths.size_class(people double precision)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    -- the limit between two classes is the square root of their product
    SELECT (
        '{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000,
        2000000, 5000000, 10000000, 20000000, 50000000, 100000000, 200000000, 500000000}'::integer[]
    )[
        1 + pg_catalog.width_bucket(
            size_class.people,
            '{1.41421356, 3.16227766, 7.07106781, 14.1421356, 31.6227766, 70.7106781, 141.421356, 316.227766,
            707.106781, 1414.21356, 3162.27766, 7071.06781, 14142.1356, 31622.7766, 70710.6781, 141421.356, 316227.766,
            707106.781, 1414213.56, 3162277.66, 7071067.81, 14142135.6, 31622776.6, 70710678.1, 141421356,
            316227766}'::double precision[]
        )
    ];
END;

COMMENT ON FUNCTION connection_paths.size_class(double precision) IS 'The size class of a number of people: 1, 2, 5, 10, 20, 50 and so on';

REVOKE ALL ON FUNCTION connection_paths.size_class(double precision) FROM PUBLIC;

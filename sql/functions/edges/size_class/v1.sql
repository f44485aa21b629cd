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
--     count_organizations, own_stints
-- Why
--     The strength of an edge depends on the size of an organization. With the exact number, each new colleague would
--     change all edges of the organization.
CREATE OR REPLACE FUNCTION connection_paths.size_class(people double precision)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT (
        p.ten * CASE
            -- the square roots of 1 * 2, 2 * 5 and 5 * 10: the limits between two classes
            WHEN p.people < 1.41421356 * p.ten THEN 1
            WHEN p.people < 3.16227766 * p.ten THEN 2
            WHEN p.people < 7.07106781 * p.ten THEN 5
            ELSE 10
        END
    )::integer
    FROM (
        SELECT s.people, pg_catalog.power(10, pg_catalog.floor(pg_catalog.log(s.people))) AS ten
        FROM (SELECT LEAST(GREATEST(size_class.people, 1), 500000000) AS people) AS s
    ) AS p
    WHERE size_class.people IS NOT NULL;
END;

COMMENT ON FUNCTION connection_paths.size_class(double precision) IS 'The size class of a number of people: 1, 2, 5, 10, 20, 50 and so on';

REVOKE ALL ON FUNCTION connection_paths.size_class(double precision) FROM PUBLIC;

-- connection_paths.edge_strength(overlap_days, people, shared_organizations)
--
-- Returns the strength of a work_overlap edge: how probable it is that the two contacts know each other well.
--
-- Parameters
--     overlap_days          How many days the two contacts worked at the same organizations at the same time, each day
--                           once. Less than 0 counts as 0. NULL gives NULL.
--     people                How many people are known to have worked at the smallest organization that the two shared.
--                           Less than 1 counts as 1. NULL gives NULL.
--     shared_organizations  How many organizations the two shared. Less than 1 and NULL count as 1.
-- Returns
--     0 to 100, a multiple of 5.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     work_overlaps, rebuilt_edges, wanted_edges, applications
-- Why
--     More days and more shared organizations never make an edge weaker. More people never make it stronger.
--         People: the highest possible strength falls by 22 when the organization has ten times as many people: 95 at
--         10 people, 73 at 100, 51 at 1,000, 29 at 10,000, at least 10.
--         Days: 1 - exp(-days / 730) of that strength is reached: 39 % after a year, 63 % after two, 78 % after three.
--         Organizations: each further one takes away a fifth of what is missing to 100.
--     The result is a multiple of 5, because dates are not more exact, and because the strength of an edge that goes on
--     then changes a few times in a year and not each week. So the body computes in steps of 5: 20 is 100, and
--     23.4 - 4.4 * log(people) is 117 - 22 * log(people).
--     docs/explanation/strength.md has the sources of these numbers, and pictures. The function is inlined, and costs
--     less than a microsecond. LEAST also keeps exp from an error for very large numbers.
CREATE OR REPLACE FUNCTION connection_paths.edge_strength(
    overlap_days integer,
    people integer,
    shared_organizations integer
)
RETURNS smallint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT (
        5 * pg_catalog.round(
            20 - (
                20 - LEAST(20, GREATEST(2, 23.4 - 4.4 * pg_catalog.log(GREATEST(edge_strength.people, 1)::double precision)))
                * (1 - pg_catalog.exp(LEAST(GREATEST(edge_strength.overlap_days, 0), 36525) / -730::double precision))
            )
            * CASE
                WHEN edge_strength.shared_organizations > 1
                    THEN pg_catalog.power(0.8::double precision, LEAST(edge_strength.shared_organizations, 100) - 1)
                ELSE 1
            END
        )
    )::smallint;
END;

COMMENT ON FUNCTION connection_paths.edge_strength(integer, integer, integer) IS 'The strength of a work_overlap edge, 0 to 100: more with days in common and shared organizations, less with people';

REVOKE ALL ON FUNCTION connection_paths.edge_strength(integer, integer, integer) FROM PUBLIC;

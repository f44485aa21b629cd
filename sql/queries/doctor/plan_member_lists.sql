-- This statement is planned, not run: the best edges of contact $1, as member_lists reads them.
--
-- Edges of two kinds are assumed, so the plan contains better_edge, which reads the edges of a pair of contacts. The
-- look-up of members in collection $2 is a call of members_among, which plan_members_among.sql plans.
SELECT l.neighbours
FROM connection_paths.member_lists(
    ARRAY[$1], 100, 16, NULL, '{}', 2, NULL, $2, NULL, '{}', true, NULL
) AS l

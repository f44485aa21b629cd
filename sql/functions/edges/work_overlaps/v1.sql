-- connection_paths.work_overlaps(contact_id, neighbours_from)
--
-- Computes the work_overlap edges that a contact should have.
--
-- Parameters
--     contact_id       The contact. NULL or a contact that does not exist gives no rows.
--     neighbours_from  Only neighbours with this id or a greater one are returned. NULL, the default: all. A caller
--                      that passes the contact's own id for each of many contacts gets every edge once.
-- Returns
--     neighbour_id     The other contact. Each contact once.
--     organization_id  The organization where both worked.
--     date_from        The first day of the overlap.
--     date_to          The last day of the overlap. NULL: both work experiences continue.
--     strength         The strength of the edge: see edge_strength.
--     shared_organizations  How many organizations the two shared.
--     earlier_days     How many days before date_from the two had in common: see overlap_days.
--     people           The size class of the smallest organization that the two shared.
-- Errors
--     none
-- Reads
--     live_contacts
-- Writes
--     none
-- Used by
--     edges_from_experiences, predicted_edges, sql/queries/doctor/plan_work_overlaps.sql,
--     sql/queries/edges/verify_edges.sql, sql/queries/rebuild/rebuild_problems.sql,
--     sql/queries/runs/edges_of_contacts.sql
-- Why
--     This function and possible_overlaps are the definition of an edge, and every check compares with it.
--     wanted_edges returns the same edges for many contacts. Two contacts have an edge when both exist and their work
--     experiences overlap: possible_overlaps finds the overlaps, and this function removes contacts that do not exist.
--     PostgreSQL inlines this function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.work_overlaps(
    contact_id bigint,
    neighbours_from bigint DEFAULT NULL
)
RETURNS TABLE (
    neighbour_id bigint,
    organization_id bigint,
    date_from date,
    date_to date,
    strength smallint,
    shared_organizations smallint,
    earlier_days integer,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 200
BEGIN ATOMIC
    SELECT
        best.neighbour_id,
        best.organization_id,
        best.date_from,
        best.date_to,
        connection_paths.edge_strength(
            connection_paths.overlap_days(best.date_from, best.date_to, best.earlier_days),
            best.people,
            best.shared_organizations
        ),
        best.shared_organizations,
        best.earlier_days,
        best.people
    FROM connection_paths.possible_overlaps(work_overlaps.contact_id, work_overlaps.neighbours_from) AS best
    -- here and not in possible_overlaps: one look-up for each neighbour, not one for each pair of experiences
    WHERE EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = best.neighbour_id)
        AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = work_overlaps.contact_id);
END;

COMMENT ON FUNCTION connection_paths.work_overlaps(bigint, bigint) IS 'The work_overlap edges a contact should have: the one definition of an edge';

REVOKE ALL ON FUNCTION connection_paths.work_overlaps(bigint, bigint) FROM PUBLIC;

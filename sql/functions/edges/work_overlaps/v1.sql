-- connection_paths.work_overlaps(contact_id, neighbours_from): the work_overlap edges of one contact, as they should
-- be.
--
-- This, with possible_overlaps that it is made of, is the definition of an edge, and its only place: backfills write
-- what it returns, samples and checks compare with it, and the first-generation finder asks it directly.
--
-- Two contacts that exist have an edge when their work experiences overlap: possible_overlaps says when and which
-- overlap the edge is, here is added that both exist.
--
-- contact_id        the contact; NULL or unknown: no rows
-- neighbours_from   only neighbours with this id or a greater one; by default all. Given the contact's own id, every
--                   edge comes from one of its ends only, and half the pairs are never looked at: what bulk work does.
-- neighbour_id      the other contact, once
-- date_from/date_to the intersection; date_to NULL when both go on
--
-- Inlined into the calling query (LANGUAGE sql, STABLE, no SET, not STRICT), so it is planned with it.
CREATE OR REPLACE FUNCTION connection_paths.work_overlaps(
    contact_id bigint,
    neighbours_from bigint DEFAULT -9223372036854775808
)
RETURNS TABLE (neighbour_id bigint, organization_id bigint, date_from date, date_to date)
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
        best.date_to
    FROM connection_paths.possible_overlaps(work_overlaps.contact_id, work_overlaps.neighbours_from) AS best
    -- after the choice: once per neighbour, not once per pair of experiences
    WHERE EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = best.neighbour_id)
        AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = work_overlaps.contact_id);
END;

COMMENT ON FUNCTION connection_paths.work_overlaps(bigint, bigint) IS 'The work_overlap edges a contact should have: the one definition of an edge';

REVOKE ALL ON FUNCTION connection_paths.work_overlaps(bigint, bigint) FROM PUBLIC;

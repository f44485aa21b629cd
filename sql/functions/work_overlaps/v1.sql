-- connection_paths.work_overlaps(contact_id): the work_overlap edges of one contact, as they should be.
--
-- This is the definition of an edge, and its only place: backfills write what it returns, samples and checks
-- compare with it, and the first-generation finder asks it directly.
--
-- Two contacts that exist have an edge when a usable work experience of each names the same live organization and
-- the two date ranges, ends included, share a day. The edge carries the intersection. Of several, the one that ends
-- last (going on is last of all), then the one that starts first, then the smallest organization id.
--
-- contact_id        the contact; NULL or unknown: no rows
-- neighbour_id      the other contact, once
-- date_from/date_to the intersection; date_to NULL when both go on (LEAST ignores NULL, which is what is meant)
--
-- Inlined into the calling query (LANGUAGE sql, STABLE, no SET, not STRICT), so it is planned with it.
CREATE OR REPLACE FUNCTION connection_paths.work_overlaps(contact_id bigint)
RETURNS TABLE (neighbour_id bigint, organization_id bigint, date_from date, date_to date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 200
AS $function$
    SELECT
        best.neighbour_id,
        best.organization_id,
        best.date_from,
        best.date_to
    FROM (
        SELECT DISTINCT ON (pair.neighbour_id)
            pair.neighbour_id,
            pair.organization_id,
            pair.date_from,
            pair.date_to
        FROM (
            SELECT
                theirs.contact_id AS neighbour_id,
                mine.organization_id,
                GREATEST(mine.date_from, theirs.date_from) AS date_from,
                LEAST(mine.date_to, theirs.date_to) AS date_to
            FROM (
                SELECT e.organization_id, e.date_from, e.date_to
                FROM connection_paths.work_experiences AS e
                WHERE e.contact_id = work_overlaps.contact_id
                    AND EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id)
                    AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id)
                -- a fence: both conditions below then come from one relation, and both become index conditions
                OFFSET 0
            ) AS mine
            JOIN connection_paths.work_experiences AS theirs
                ON theirs.organization_id = mine.organization_id
                -- both COALESCEs are written as idx_experiences_by_organization has them
                AND COALESCE(theirs.date_to, 'infinity'::date) >= mine.date_from
                AND COALESCE(mine.date_to, 'infinity'::date) >= theirs.date_from
            WHERE theirs.contact_id <> work_overlaps.contact_id
            -- a fence: the order below is made of the few rows found, never by reading everybody in that order
            OFFSET 0
        ) AS pair
        ORDER BY
            pair.neighbour_id,
            pair.date_to DESC NULLS FIRST,
            pair.date_from,
            pair.organization_id
    ) AS best
    -- after the choice: once per neighbour, not once per pair of experiences
    WHERE EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = best.neighbour_id)
$function$;

COMMENT ON FUNCTION connection_paths.work_overlaps(bigint) IS 'The work_overlap edges a contact should have: the one definition of an edge';

REVOKE ALL ON FUNCTION connection_paths.work_overlaps(bigint) FROM PUBLIC;

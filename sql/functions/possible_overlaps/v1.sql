-- connection_paths.possible_overlaps(contact_id, neighbours_from): work_overlaps, before asking whether neighbours exist.
--
-- Two contacts have an edge when a usable work experience of each names the same live organization and the two date
-- ranges, ends included, share a day. The edge carries the intersection. Of several, the one that ends last (going on
-- is last of all), then the one that starts first, then the smallest organization id.
--
-- Only work_overlaps, which adds that the neighbour exists, and insert_edges_of, which knows who does not, ask this:
-- looking each neighbour up takes as long as finding it.
--
-- contact_id        the contact; NULL or unknown: no rows
-- neighbours_from   only neighbours with this id or a greater one
-- neighbour_id      the other contact, once
-- date_from/date_to the intersection; date_to NULL when both go on (LEAST ignores NULL, which is what is meant)
--
-- Inlined into the calling query (LANGUAGE sql, STABLE, no SET, not STRICT), so it is planned with it.
CREATE OR REPLACE FUNCTION connection_paths.possible_overlaps(contact_id bigint, neighbours_from bigint)
RETURNS TABLE (neighbour_id bigint, organization_id bigint, date_from date, date_to date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 200
BEGIN ATOMIC
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
            WHERE e.contact_id = possible_overlaps.contact_id
                AND EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id)
                AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id)
            -- a fence: the conditions below then come from one relation, and become index conditions
            OFFSET 0
        ) AS mine
        JOIN connection_paths.work_experiences AS theirs
            ON theirs.organization_id = mine.organization_id
            -- all of these are conditions inside idx_experiences_by_organization, which has the COALESCE so; the first is
            -- of rows whose second part never decides: else PostgreSQL 18 takes a skip scan, a quarter slower here
            AND (COALESCE(theirs.date_to, 'infinity'::date), theirs.date_from) >= (mine.date_from, '-infinity'::date)
            AND COALESCE(mine.date_to, 'infinity'::date) >= theirs.date_from
        WHERE theirs.contact_id <> possible_overlaps.contact_id
            AND theirs.contact_id >= possible_overlaps.neighbours_from
        -- a fence: the order below is made of the few rows found, never by reading everybody in that order
        OFFSET 0
    ) AS pair
    ORDER BY
        pair.neighbour_id,
        pair.date_to DESC NULLS FIRST,
        pair.date_from,
        pair.organization_id;
END;

COMMENT ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) IS 'The overlaps of a contact with contacts that may or may not exist; work_overlaps is what to ask';

REVOKE ALL ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) FROM PUBLIC;

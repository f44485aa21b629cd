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
AS $function$
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
            SELECT
                s.organization_id,
                s.date_from,
                s.date_to,
                LEAST(s.date_to, CURRENT_DATE) AS begun_upto,
                GREATEST(s.date_from, s.earlier_end) AS ended_from,
                GREATEST(
                    COALESCE(s.date_to, 'infinity'::date),
                    lead(s.date_from, 1, 'infinity'::date) OVER (PARTITION BY s.organization_id ORDER BY s.date_from)
                ) AS ended_upto
            FROM (
                SELECT
                    u.organization_id,
                    u.date_from,
                    u.date_to,
                    u.rank,
                    max(u.rank) OVER (
                        PARTITION BY u.organization_id
                        ORDER BY u.date_from
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    ) AS earlier_end
                FROM (
                    SELECT
                        e.organization_id,
                        e.date_from,
                        e.date_to,
                        -- NULL ends after 'infinity', which ends on the last day that a date can have
                        CASE e.date_to
                            WHEN 'infinity'::date THEN '5874897-12-31'::date
                            ELSE COALESCE(e.date_to, 'infinity'::date)
                        END AS rank
                    FROM connection_paths.work_experiences AS e
                    WHERE e.contact_id = possible_overlaps.contact_id
                        AND e.date_from <= CURRENT_DATE
                        AND EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id)
                        AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = possible_overlaps.contact_id)
                ) AS u
            ) AS s
            WHERE s.earlier_end IS NULL OR s.earlier_end < s.rank
            -- a fence: the conditions below then come from one relation, and become index conditions
            OFFSET 0
        ) AS mine
        JOIN connection_paths.work_experiences AS theirs
            ON theirs.organization_id = mine.organization_id
            -- all of these are conditions inside idx_experiences_by_organization, which has the COALESCE so; the first two
            -- are of rows whose second part never decides: else PostgreSQL 18 takes a skip scan, a quarter slower here
            AND (COALESCE(theirs.date_to, 'infinity'::date), theirs.date_from) >= (mine.ended_from, '-infinity'::date)
            AND (COALESCE(theirs.date_to, 'infinity'::date), theirs.date_from) <= (mine.ended_upto, 'infinity'::date)
            AND mine.begun_upto >= theirs.date_from
        WHERE theirs.contact_id <> possible_overlaps.contact_id
            AND theirs.contact_id >= possible_overlaps.neighbours_from
        -- a fence: the order below is made of the few rows found, never by reading everybody in that order
        OFFSET 0
    ) AS pair
    ORDER BY
        pair.neighbour_id,
        pair.date_to DESC NULLS FIRST,
        pair.date_from,
        pair.organization_id
$function$;

COMMENT ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) IS 'The overlaps of a contact with contacts that may or may not exist; work_overlaps is what to ask';

REVOKE ALL ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) FROM PUBLIC;

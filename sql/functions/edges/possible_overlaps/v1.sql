-- connection_paths.possible_overlaps(contact_id, neighbours_from): work_overlaps, before asking whether the contacts
-- exist.
--
-- Two contacts have an edge when a usable work experience of each names the same live organization and the two date
-- ranges, ends included, share a day. The edge carries the intersection. Of several, the one that ends last (going on
-- is last of all), then the one that starts first, then the smallest organization id.
--
-- An intersection that starts after today is not one yet, so the choice is among those that have begun. Today is the
-- session's current_date: the day by its TimeZone, that of the server unless the role or the client has another. An
-- intersection starts when the later of its two experiences does; hold_starts schedules the recomputation
-- for that day.
--
-- A contact may have many experiences at one organization: the same one entered often, or one that overlaps the next.
-- Joined with everybody else's, they make as many pairs as there are of both, multiplied. Each experience of others is
-- joined with one of the contact's, that which makes the best intersection with it, by these rules:
--   1. An experience within another one of the contact's (or the same again) is left out: every intersection of it lies
--      within one of the other, which ends no earlier and, where it ends on the same day, starts no later.
--   2. Those that are left, in the order of their starts, are in the order of their ends, too. Of an experience of
--      another contact that ends on some day, the best intersection is with the first of them that ends on that day or
--      later, if it starts by then; else with the last one before it. So each is joined only with what ended after the
--      one before it has ended (ended_from), and before it ends itself or the next one starts (ended_upto).
-- So the edges are those of all pairs, and the pairs are as many as there are experiences of others.
--
-- Only work_overlaps, which adds that both exist, and rebuilt_edges, which knows who does not, ask this:
-- looking each neighbour up takes as long as finding it.
--
-- contact_id        the contact; NULL: no rows
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
                ) AS u
            ) AS s
            WHERE s.earlier_end IS NULL OR s.earlier_end < s.rank
            -- a fence: the conditions below then come from one relation, and become index conditions
            OFFSET 0
        ) AS mine
        JOIN connection_paths.work_experiences AS theirs
            ON theirs.organization_id = mine.organization_id
            -- all of these are conditions inside idx_experiences_by_organization, which has the COALESCE so; the first
            -- two are of rows whose second part never decides: else PostgreSQL 18 takes a skip scan, a quarter slower
            -- here
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
        pair.organization_id;
END;

COMMENT ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) IS 'The overlaps of a contact with contacts that may or may not exist; work_overlaps is what to ask';

REVOKE ALL ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) FROM PUBLIC;

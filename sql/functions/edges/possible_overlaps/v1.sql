-- connection_paths.possible_overlaps(contact_id, neighbours_from)
--
-- Computes the overlaps of a contact's work experiences with those of contacts that may or may not exist.
--
-- Parameters
--     contact_id       The contact. NULL gives no rows.
--     neighbours_from  Only neighbours with this id or a greater one are returned. NULL: all.
-- Returns
--     neighbour_id     The other contact. Each contact once.
--     organization_id  The organization of the overlap.
--     date_from        The first day of the overlap.
--     date_to          The last day of the overlap. NULL: both work experiences continue.
-- Errors
--     none
-- Reads
--     employments, live_organizations, organization_policy
-- Writes
--     none
-- Used by
--     rebuilt_edges, work_overlaps
-- Why
--     Two contacts overlap when a usable work experience of each names the same live organization and the two date
--     ranges, ends included, share a day. The overlap is the intersection of the ranges. Of several overlaps of two
--     contacts the function chooses the one that ends last (one that continues ends last of all), then the one that
--     starts first, then the one with the smallest organization id. An overlap that starts after today does not count
--     yet. Today is CURRENT_DATE: it depends on the TimeZone of the session. schedule_refreshes refreshes the contact
--     on the day when such an overlap starts.
--
--     organization_policy may ask for overlaps of at least min_overlap_days days. An overlap counts from its last
--     required day on, so one that goes on may begin to count later. For the comparisons below, the function moves the
--     start of each work experience by more_days, the number of required days after the first one. Two experiences
--     have a long enough overlap when the moved ranges share a day. A moved range that is empty is left out. So the
--     rule needs no step of its own. Without a policy, more_days is 0.
--
--     A contact may have many work experiences at one organization. A plain join would make a row for every pair of
--     experiences of the two contacts. Here each experience of another contact is joined with only one of the contact's
--     own, the one with the best intersection:
--         1. An own experience that lies within another own one is left out. Every intersection with it lies within an
--            intersection with the other one, which ends no earlier and, when it ends on the same day, starts no later.
--         2. The own experiences that are left have the same order by start and by end. For an experience of another
--            contact that ends on some day, the best own experience is the first one that ends on that day or later, if
--            it has started by that day; otherwise it is the one before. So each own experience is joined only with
--            experiences that end after the previous own one ends (ended_from) and not after the later of two days: the
--            end of this one and the start of the next one (ended_upto).
--     The result equals that of the plain join, and the join has one row for each experience of another contact.
--
--     Only work_overlaps and rebuilt_edges use this function. They remove contacts that do not exist: work_overlaps
--     looks up each neighbour, which takes as long as finding it; rebuilt_edges uses a list of missing contacts.
--     PostgreSQL inlines this function into the calling query and plans both together. LEAST ignores NULL, so date_to
--     is NULL only when both dates are NULL.
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
                s.more_days,
                LEAST(s.date_to, CURRENT_DATE) - s.more_days AS begun_upto,
                GREATEST(s.date_from + s.more_days, s.earlier_end) AS ended_from,
                GREATEST(
                    COALESCE(s.date_to, 'infinity'::date),
                    lead(s.date_from + s.more_days, 1, 'infinity'::date)
                        OVER (PARTITION BY s.organization_id ORDER BY s.date_from)
                ) AS ended_upto
            FROM (
                SELECT
                    e.organization_id,
                    e.date_from,
                    e.date_to,
                    -- hashed once: without such a policy, no look-up for each experience
                    CASE
                        WHEN e.organization_id IN (
                            SELECT p.organization_id
                            FROM connection_paths.organization_policy AS p
                            WHERE p.rule = 'long_overlaps'
                        ) THEN (
                            SELECT p.min_overlap_days - 1
                            FROM connection_paths.organization_policy AS p
                            WHERE p.organization_id = e.organization_id
                        )
                        ELSE 0
                    END AS more_days,
                    r.rank,
                    max(r.rank) OVER (
                        PARTITION BY e.organization_id
                        ORDER BY e.date_from
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    ) AS earlier_end
                FROM connection_paths.employments AS e
                CROSS JOIN LATERAL (
                    -- NULL sorts after 'infinity': the rank of 'infinity' is the last possible day
                    SELECT
                        CASE e.date_to
                            WHEN 'infinity'::date THEN '5874897-12-31'::date
                            ELSE COALESCE(e.date_to, 'infinity'::date)
                        END AS rank
                ) AS r
                WHERE e.contact_id = possible_overlaps.contact_id
                    AND e.date_from <= CURRENT_DATE
                    AND EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id)
            ) AS s
            WHERE s.date_from + s.more_days <= LEAST(s.date_to, CURRENT_DATE)
                AND (s.earlier_end IS NULL OR s.earlier_end < s.rank)
            -- optimization fence: the conditions below then refer to one relation and become index conditions
            OFFSET 0
        ) AS mine
        -- LATERAL and OFFSET 0: with them, the conditions reach the indexes of each part of a view that is a UNION
        CROSS JOIN LATERAL (
            SELECT e.contact_id, e.date_from, e.date_to
            FROM connection_paths.employments AS e
            WHERE e.organization_id = mine.organization_id
                -- These are index conditions of idx_experiences_by_organization, which contains the same COALESCE. The
                -- second parts of the first two row comparisons never decide. They keep PostgreSQL 18 from a skip
                -- scan, which is 25 % slower here.
                AND (COALESCE(e.date_to, 'infinity'::date), e.date_from) >= (mine.ended_from, '-infinity'::date)
                AND (COALESCE(e.date_to, 'infinity'::date), e.date_from) <= (mine.ended_upto, 'infinity'::date)
                AND mine.begun_upto >= e.date_from
                -- the other experience is long enough, too
                AND (mine.more_days = 0 OR COALESCE(e.date_to, 'infinity'::date) >= e.date_from + mine.more_days)
                AND e.contact_id <> possible_overlaps.contact_id
                AND e.contact_id >= COALESCE(possible_overlaps.neighbours_from, -9223372036854775808)
            OFFSET 0
        ) AS theirs
        -- optimization fence: PostgreSQL sorts the few rows found instead of reading all contacts in this order
        OFFSET 0
    ) AS pair
    ORDER BY
        pair.neighbour_id,
        pair.date_to DESC NULLS FIRST,
        pair.date_from,
        pair.organization_id;
END;

COMMENT ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) IS 'The overlaps of a contact with contacts that may or may not exist; applications use work_overlaps';

REVOKE ALL ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) FROM PUBLIC;

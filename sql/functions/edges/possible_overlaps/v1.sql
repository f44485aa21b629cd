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
--     shared_organizations  How many organizations the two shared.
--     earlier_days     How many days before date_from the two had in common: see overlap_days.
--     people           The size class of the smallest organization that the two shared.
-- Errors
--     none
-- Reads
--     employments
-- Writes
--     none
-- Used by
--     rebuilt_edges, wanted_edges, work_overlaps
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
--     The chosen overlap equals that of the plain join.
--
--     The days in common are those of all overlaps, each day once. Own experiences that follow each other without a day
--     between them count as one, from worked_from on: the days in common with it are one range, from shared_from to
--     date_to. An experience before a time elsewhere is joined with all experiences that end later (ended_upto is
--     infinity), because the other contact may have stayed all the time. So almost every experience of another contact
--     still makes one row. The rows of a neighbour are sorted by their last day, the latest one first. A row adds its
--     days before the earliest day of the rows before it. All days in common after the first day of the chosen overlap
--     belong to it, because it ends last; the days before are earlier_days.
--
--     Where a policy asks for long overlaps, own experiences are not put together: each overlap must be long enough.
--
--     The functions that use this one remove contacts that do not exist: work_overlaps looks up each neighbour, which
--     takes as long as finding it; wanted_edges looks up all neighbours at once; rebuilt_edges uses a list of missing
--     contacts.
--     PostgreSQL inlines this function into the calling query and plans both together. LEAST ignores NULL, so date_to
--     is NULL only when both dates are NULL.
CREATE OR REPLACE FUNCTION connection_paths.possible_overlaps(contact_id bigint, neighbours_from bigint)
RETURNS TABLE (
    neighbour_id bigint,
    organization_id bigint,
    date_from date,
    date_to date,
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
        r.neighbour_id,
        min(r.organization_id) FILTER (WHERE r.later_from IS NULL),
        min(r.date_from) FILTER (WHERE r.later_from IS NULL),
        min(r.date_to) FILTER (WHERE r.later_from IS NULL),
        CASE
            WHEN min(r.organization_id) = max(r.organization_id) THEN 1
            ELSE (
                SELECT count(DISTINCT o.id)
                FROM unnest(
                    array_agg(r.organization_id) FILTER (WHERE r.later_from IS NOT NULL)
                    || min(r.organization_id) FILTER (WHERE r.later_from IS NULL)
                ) AS o (id)
            )
        END::smallint,
        sum(
            CASE
                WHEN r.later_from IS NULL AND r.date_from = r.shared_from THEN 0
                ELSE GREATEST(
                    GREATEST(
                        -- the day before is no error for any date, because days before the year 1 do not count
                        LEAST(r.date_to, GREATEST(COALESCE(r.later_from, r.date_from), '0001-01-01'::date) - 1),
                        '0001-12-31 BC'::date
                    ) - GREATEST(r.shared_from, '0001-01-01'::date) + 1,
                    0
                )
            END
        )::integer,
        min(r.people)
    FROM (
        SELECT
            pair.neighbour_id,
            pair.organization_id,
            pair.date_from,
            pair.date_to,
            pair.shared_from,
            pair.people,
            -- NULL for the first row, which is the chosen overlap
            min(pair.shared_from) OVER earlier_rows AS later_from
        FROM (
            SELECT
                theirs.contact_id AS neighbour_id,
                mine.organization_id,
                GREATEST(mine.date_from, theirs.date_from) AS date_from,
                LEAST(mine.date_to, theirs.date_to) AS date_to,
                GREATEST(mine.worked_from, theirs.date_from) AS shared_from,
                mine.people
            FROM connection_paths.own_stints(possible_overlaps.contact_id) AS mine
            -- LATERAL and OFFSET 0: with them, the conditions reach the indexes of each part of a view that is a UNION
            CROSS JOIN LATERAL (
                SELECT e.contact_id, e.date_from, e.date_to
                FROM connection_paths.employments AS e
                WHERE e.organization_id = mine.organization_id
                    -- These are index conditions of idx_experiences_by_organization, which contains the same COALESCE.
                    -- The second parts of the first two row comparisons never decide. They keep PostgreSQL 18 from a
                    -- skip scan, which is 25 % slower here.
                    AND (COALESCE(e.date_to, 'infinity'::date), e.date_from) >= (mine.ended_from, '-infinity'::date)
                    AND (COALESCE(e.date_to, 'infinity'::date), e.date_from) <= (mine.ended_upto, 'infinity'::date)
                    AND mine.begun_upto >= e.date_from
                    -- the other experience is long enough, too
                    AND (
                        mine.more_days = 0
                        OR COALESCE(e.date_to, 'infinity'::date) >= LEAST(e.date_from, CURRENT_DATE) + mine.more_days
                    )
                    AND e.contact_id <> possible_overlaps.contact_id
                    AND e.contact_id >= COALESCE(possible_overlaps.neighbours_from, -9223372036854775808)
                OFFSET 0
            ) AS theirs
            -- optimization fence: PostgreSQL sorts the few rows found instead of reading all contacts in this order
            OFFSET 0
        ) AS pair
        WINDOW earlier_rows AS (
            PARTITION BY pair.neighbour_id
            ORDER BY pair.date_to DESC NULLS FIRST, pair.date_from, pair.organization_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS r
    GROUP BY r.neighbour_id;
END;

COMMENT ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) IS 'The overlaps of a contact with contacts that may or may not exist; applications use work_overlaps';

REVOKE ALL ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) FROM PUBLIC;

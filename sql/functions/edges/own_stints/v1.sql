-- connection_paths.own_stints(contact_id)
--
-- Returns a contact's own work experiences that can make edges, prepared for the join with those of other contacts.
--
-- Parameters
--     contact_id  The contact. NULL gives no rows.
-- Returns
--     organization_id  The organization.
--     date_from        The first day of the experience.
--     date_to          The last day. NULL: it continues.
--     more_days        How many days after the first one organization_policy requires. 0: none.
--     begun_upto       Only experiences of others that begin on this day or earlier overlap.
--     ended_from       Only experiences of others that end on this day or later are joined with this one.
--     ended_upto       Only experiences of others that end on this day or earlier are joined with this one.
--     worked_from      Since when the contact had worked at the organization without a day between two experiences.
--     people           The size class of the organization.
-- Errors
--     none
-- Reads
--     employments, live_organizations, organization_policy, organization_sizes
-- Writes
--     none
-- Used by
--     possible_overlaps
-- Why
--     possible_overlaps explains which experiences are joined with which.
--     PostgreSQL inlines this function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.own_stints(contact_id bigint)
RETURNS TABLE (
    organization_id bigint,
    date_from date,
    date_to date,
    more_days integer,
    begun_upto date,
    ended_from date,
    ended_upto date,
    worked_from date,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 5
BEGIN ATOMIC
    SELECT
        s.organization_id,
        s.date_from,
        s.date_to,
        s.more_days,
        CASE
            -- PostgreSQL has no day before this one
            WHEN s.date_to < '4714-11-24 BC'::date + s.more_days THEN '-infinity'::date
            ELSE LEAST(s.date_to, CURRENT_DATE) - s.more_days
        END AS begun_upto,
        CASE s.more_days
            WHEN 0 THEN GREATEST(s.date_from, s.earlier_end)
            ELSE s.date_from + s.more_days
        END AS ended_from,
        CASE
            WHEN s.more_days = 0 AND NOT lead(s.is_return, 1, true) OVER by_start
                THEN GREATEST(s.date_to, lead(s.date_from) OVER by_start)
            ELSE 'infinity'::date
        END AS ended_upto,
        CASE s.more_days
            WHEN 0 THEN max(CASE WHEN s.is_return THEN s.date_from END) OVER by_start
            ELSE s.date_from
        END AS worked_from,
        COALESCE(
            (
                SELECT z.people
                FROM connection_paths.organization_sizes AS z
                WHERE z.organization_id = s.organization_id
            ),
            connection_paths.size_class(connection_paths.known_people(s.organization_id))
        ) AS people
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
            max(r.rank) OVER earlier AS earlier_end,
            -- 'infinity' and the last possible day have the same rank, and 'infinity' is later
            e.date_to = 'infinity'::date AND NOT COALESCE(bool_or(e.date_to = 'infinity'::date) OVER earlier, false)
                AS is_first_endless,
            CASE
                WHEN e.date_from > max(r.rank) OVER earlier
                    THEN e.date_from > max(r.rank) OVER earlier + 1 -- which is no later, so this is always a date
                ELSE max(r.rank) OVER earlier IS NULL
            END AS is_return
        FROM connection_paths.employments AS e
        CROSS JOIN LATERAL (
            -- NULL sorts after 'infinity': the rank of 'infinity' is the last possible day
            SELECT
                CASE e.date_to
                    WHEN 'infinity'::date THEN '5874897-12-31'::date
                    ELSE COALESCE(e.date_to, 'infinity'::date)
                END AS rank
        ) AS r
        WHERE e.contact_id = own_stints.contact_id
            AND e.date_from <= CURRENT_DATE
            AND EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id)
        WINDOW earlier AS (
            PARTITION BY e.organization_id
            ORDER BY e.date_from, r.rank DESC, e.date_to DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS s
    WHERE s.date_from + s.more_days <= LEAST(s.date_to, CURRENT_DATE)
        AND (
            s.earlier_end IS NULL
            OR s.earlier_end < s.rank
            OR s.earlier_end = s.rank AND s.is_first_endless
        )
    WINDOW by_start AS (PARTITION BY s.organization_id ORDER BY s.date_from, s.rank DESC)
    -- optimization fence: the conditions below then refer to one relation and become index conditions
    OFFSET 0;
END;

COMMENT ON FUNCTION connection_paths.own_stints(bigint) IS 'A contact''s own work experiences that can make edges; part of possible_overlaps';

REVOKE ALL ON FUNCTION connection_paths.own_stints(bigint) FROM PUBLIC;

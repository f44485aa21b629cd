-- What is wrong with the table of a rebuild before the exchange: a row for each problem, no row when nothing is wrong.
--
-- A pair is not compared when one of its contacts is in the queue of changes or in rebuild_replays, because the pair
-- may have changed since its batch. No pair is compared while a row for an organization or for every contact is there.
-- Parameters: run_id; sample (how many contacts are compared); rows_found (how many edges the table has).
WITH counted AS (
    SELECT
        %(rows_found)s::bigint AS rows_found,
        (
            SELECT COALESCE(sum(b.edges_changed), 0)
            FROM connection_paths.backfill_batches AS b
            WHERE b.run_id = %(run_id)s
        ) AS rows_written,
        EXISTS (
            SELECT
            FROM connection_paths.backfill_batches AS b
            WHERE b.run_id = %(run_id)s AND b.status = 'set aside'
        ) AS has_batches_set_aside
),
sample AS (
    SELECT c.id
    FROM connection_paths.live_contacts AS c
    WHERE NOT EXISTS (
        SELECT
        FROM connection_paths.backfill_batches AS b
        WHERE b.run_id = %(run_id)s AND b.status = 'set aside' AND b.contact_id = c.id
    )
    ORDER BY hashint8extended(c.id, %(run_id)s)
    LIMIT %(sample)s
),
changed AS MATERIALIZED (
    SELECT q.contact_id FROM connection_paths.contact_changes AS q
    UNION ALL
    SELECT p.contact_id FROM connection_paths.rebuild_replays AS p
),
different AS (
    SELECT DISTINCT w.id, w.neighbour_id
    FROM (
        SELECT s.id, o.neighbour_id, o.shared_organizations, o.organization_id, o.date_from, o.date_to, o.earlier_days,
            o.people, 1 AS more
        FROM sample AS s
        CROSS JOIN LATERAL connection_paths.work_overlaps(s.id, neighbours_from => s.id) AS o
        UNION ALL
        SELECT e.contact_a_id, e.contact_b_id, e.shared_organizations, e.organization_id, e.date_from, e.date_to,
            e.earlier_days, e.people, -1
        FROM connection_paths.next_overlaps(ARRAY(SELECT s.id FROM sample AS s)) AS e
    ) AS w
    GROUP BY w.id, w.neighbour_id, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days,
        w.people
    HAVING sum(w.more) <> 0
)
SELECT format('the table has %%s edges, but the batches inserted %%s', c.rows_found, c.rows_written)
FROM counted AS c
WHERE c.rows_found <> c.rows_written AND NOT c.has_batches_set_aside
UNION ALL
(
    SELECT format('the edge of contacts %%s and %%s is missing, stale or different', d.id, d.neighbour_id)
    FROM different AS d
    WHERE NOT EXISTS (
        SELECT
        FROM changed AS h
        WHERE h.contact_id IN (d.id, d.neighbour_id) OR h.contact_id IS NULL
    )
    LIMIT 5
)

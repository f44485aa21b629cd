-- connection_paths.predicted_edges(): about how many edges will be made from each contact, for cutting a run into
-- batches.
--
-- A contact's weight is the people at the organizations it has worked for, times the share of contacts with a greater
-- id, for an edge is made from its smaller end. How many edges a unit of weight makes is seen on 300 contacts. One pass
-- over the work experiences: contact_loads says more about each contact, and takes ten times as long.
--
-- Contacts without a usable work experience at a live organization are not among the rows.
CREATE OR REPLACE FUNCTION connection_paths.predicted_edges()
RETURNS TABLE (contact_id bigint, edges double precision)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    WITH sizes AS MATERIALIZED (
        SELECT e.organization_id, count(*) AS people
        FROM connection_paths.work_experiences AS e
        WHERE e.organization_id IN (SELECT o.id FROM connection_paths.live_organizations AS o)
        GROUP BY e.organization_id
    ),
    weights AS MATERIALIZED (
        SELECT e.contact_id, sum(s.people)::double precision AS weight
        FROM connection_paths.work_experiences AS e
        JOIN sizes AS s ON s.organization_id = e.organization_id
        WHERE e.contact_id IS NOT NULL
        GROUP BY e.contact_id
    ),
    sample AS (
        SELECT sum(d.degree) / sum(d.weight) AS edges_per_weight
        FROM (
            SELECT
                w.weight,
                (SELECT count(*) FROM connection_paths.work_overlaps(w.contact_id)) AS degree
            FROM (
                SELECT v.contact_id, v.weight
                FROM weights AS v
                ORDER BY pg_catalog.hashint8(v.contact_id)
                LIMIT 300
            ) AS w
        ) AS d
    )
    SELECT
        w.contact_id,
        w.weight * s.edges_per_weight * (1 - cume_dist() OVER (ORDER BY w.contact_id))
    FROM weights AS w
    CROSS JOIN sample AS s;
END;

COMMENT ON FUNCTION connection_paths.predicted_edges() IS 'About how many edges will be made from each contact, its greater neighbours'' being theirs';

REVOKE ALL ON FUNCTION connection_paths.predicted_edges() FROM PUBLIC;

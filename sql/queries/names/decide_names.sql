-- Decides company names: writes one row for each name; returns how many decisions are new or other than before.
--
-- The rows are written in the order of their names, as propose_names does, so that the two do not deadlock.
--
-- Parameters: names; organizations (one for each name; NULL: the name is rejected); scores; batch_id.
WITH written AS (
    INSERT INTO connection_paths.name_decisions AS d (company_name, organization_id, score, batch_id)
    SELECT n.company_name, n.organization_id, n.score, %(batch_id)s::bigint
    FROM unnest(%(names)s::text[], %(organizations)s::bigint[], %(scores)s::real[])
        AS n (company_name, organization_id, score)
    ORDER BY n.company_name COLLATE "C"
    ON CONFLICT (company_name) DO UPDATE
        SET organization_id = excluded.organization_id,
            method = excluded.method,
            score = excluded.score,
            batch_id = excluded.batch_id,
            decided_by = excluded.decided_by,
            decided_at = excluded.decided_at
        WHERE d.organization_id IS DISTINCT FROM excluded.organization_id
    RETURNING 1
)
SELECT count(*) FROM written

-- Gives organizations a policy, and returns the organizations whose policy is new or different.
--
-- Parameters: organization_ids; rule; min_overlap_days; reason.
INSERT INTO connection_paths.organization_policy AS p (organization_id, rule, min_overlap_days, reason)
SELECT DISTINCT o.id, %(rule)s::text, %(min_overlap_days)s::integer, %(reason)s::text
FROM unnest(%(organization_ids)s::bigint[]) AS o (id)
ON CONFLICT (organization_id) DO UPDATE
    SET rule = excluded.rule,
        min_overlap_days = excluded.min_overlap_days,
        reason = excluded.reason,
        created_by = excluded.created_by,
        created_at = excluded.created_at
    WHERE (p.rule, p.min_overlap_days, p.reason)
        IS DISTINCT FROM (excluded.rule, excluded.min_overlap_days, excluded.reason)
RETURNING p.organization_id

-- Returns how many edges some contacts should have. Parameter: contact_ids.
SELECT c.id, count(*)
FROM unnest(%(contact_ids)s::bigint[]) AS c (id)
CROSS JOIN LATERAL connection_paths.work_overlaps(c.id) AS o
GROUP BY c.id

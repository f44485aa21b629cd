-- The contacts with the most edges in a sample of about a million edges.
WITH sample AS (
    SELECT c.contact_a_id, c.contact_b_id
    FROM connection_paths.contact_connections AS c TABLESAMPLE SYSTEM ((
        SELECT LEAST(100, 100 * 1e6 / GREATEST(t.reltuples, 1))
        FROM pg_catalog.pg_class AS t
        WHERE t.oid = 'connection_paths.contact_connections'::regclass
    )) REPEATABLE (1)
)
SELECT e.contact_id
FROM (SELECT s.contact_a_id FROM sample AS s UNION ALL SELECT s.contact_b_id FROM sample AS s) AS e (contact_id)
GROUP BY e.contact_id
ORDER BY count(*) DESC, e.contact_id
LIMIT 100

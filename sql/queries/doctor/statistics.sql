-- What the planner knows of some tables, and when that was learned. Parameter: tables (oids).
--
-- pages, all_visible  as last counted; those all visible are what index-only scans need not visit
-- live, modified      rows, and rows written since they were last analysed; a standby counts neither
-- is_unknown          nobody has ever analysed it (told only to who may read all of it)
-- without_vacuum      autovacuum leaves it out
SELECT
    c.oid,
    c.relpages AS pages,
    c.relallvisible AS all_visible,
    GREATEST(c.reltuples, s.n_live_tup, 0)::bigint AS live,
    COALESCE(s.n_mod_since_analyze, 0) AS modified,
    c.reltuples = -1
        OR (
            has_table_privilege(c.oid, 'SELECT')
            AND NOT row_security_active(c.oid)
            AND NOT EXISTS (
                SELECT
                FROM pg_catalog.pg_stats AS k
                WHERE k.schemaname = n.nspname AND k.tablename = c.relname
            )
        ) AS is_unknown,
    pg_relation_size(c.oid) AS bytes,
    EXISTS (
        SELECT
        FROM pg_options_to_table(c.reloptions) AS o
        WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean
    ) AS without_vacuum
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid
WHERE c.oid = ANY (%(tables)s::oid[])
ORDER BY c.relname

-- Returns the planner's statistics of some tables.
--
-- Parameters: tables (oids).
--
-- pages, all_visible  As of the last VACUUM or ANALYZE. Index-only scans do not read the pages that are all visible.
-- live, modified      The rows, and the rows written since the last ANALYZE. A standby counts neither.
-- is_unknown          The table was never analysed. Only a role that may read all rows can see this.
-- without_vacuum      Autovacuum is off for the table.
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

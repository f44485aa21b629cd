-- connection_paths.redirect_searches(to_next)
--
-- Lets searches read the table of a rebuild directly before the exchange, and contact_connections again after it.
--
-- Parameters
--     to_next  true: contact_connections_next. false: contact_connections. Required.
-- Returns
--     true when searches read that table now. false when they cannot read contact_connections_next: no rebuild is in
--     the phase indexing, contact_connections has row-level security, or this role may not replace the functions.
-- Errors
--     none
-- Reads
--     contact_connections, backfill_runs
-- Writes
--     contact_connections_next
-- Used by
--     exchange_rebuild, drop_rebuild, orchestrator/rebuild/standbys.py
-- Why
--     The exchange locks contact_connections and both partitions. A standby that replays the exchange waits for every
--     statement that reads edges, and later searches would wait for replay. Replacing a function locks no table. A
--     search reads edges through three functions only. So while these read contact_connections_next directly, a long
--     statement that reads contact_connections on a standby delays no search
--     (docs/adr/0023-an-exchange-gives-way.md).
--
--     Roles that may read contact_connections get the right to read contact_connections_next. Row-level security of
--     contact_connections would not hold there. Afterwards only the owner may read contact_connections_next, also when
--     install has already restored the functions. Rights to contact_connections_live are not changed.
--
--     The row of the run is locked, so that the run is not cancelled, and its table not dropped, at the same time.
CREATE OR REPLACE FUNCTION connection_paths.redirect_searches(to_next boolean)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- All functions that read edges for a search.
    readers CONSTANT pg_catalog.name[] := '{contact_edges, neighbours, pair_edges}';
    statement text;
BEGIN
    IF to_next THEN
        PERFORM FROM connection_paths.backfill_runs AS r
        WHERE r.is_active AND r.strategy = 'rebuild' AND r.phase = 'indexing'
        FOR UPDATE;
        IF NOT FOUND OR EXISTS (
            SELECT
            FROM pg_catalog.pg_class AS c
            WHERE c.oid = 'connection_paths.contact_connections'::regclass AND c.relrowsecurity
        ) OR EXISTS (
            SELECT
            FROM pg_catalog.pg_proc AS p
            WHERE p.pronamespace = 'connection_paths'::pg_catalog.regnamespace
                AND p.proname = ANY (readers)
                AND NOT pg_catalog.pg_has_role(p.proowner, 'MEMBER')
        ) THEN
            RETURN false;
        END IF;
        FOR statement IN
            SELECT
                pg_catalog.format(
                    'GRANT SELECT %s ON connection_paths.contact_connections_next TO %s',
                    CASE WHEN a.column_name IS NOT NULL THEN pg_catalog.format('(%I)', a.column_name) END,
                    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
                )
            FROM (
                SELECT NULL::pg_catalog.name AS column_name, g.grantee, g.privilege_type, c.relowner
                FROM pg_catalog.pg_class AS c
                CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS g
                WHERE c.oid = 'connection_paths.contact_connections'::regclass
                UNION ALL
                SELECT t.attname, g.grantee, g.privilege_type, c.relowner
                FROM pg_catalog.pg_class AS c
                JOIN pg_catalog.pg_attribute AS t ON t.attrelid = c.oid
                CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS g
                WHERE c.oid = 'connection_paths.contact_connections'::regclass
            ) AS a
            WHERE a.privilege_type = 'SELECT' AND a.grantee <> a.relowner
        LOOP
            EXECUTE statement;
        END LOOP;
    END IF;

    FOR statement IN
        SELECT d.after
        FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL pg_catalog.pg_get_functiondef(p.oid) AS f (before)
        CROSS JOIN LATERAL pg_catalog.regexp_replace(
            f.before,
            'connection_paths\.contact_connections(_next)?\M',
            'connection_paths.contact_connections' || CASE WHEN redirect_searches.to_next THEN '_next' ELSE '' END,
            'g'
        ) AS d (after)
        WHERE p.pronamespace = 'connection_paths'::pg_catalog.regnamespace
            AND p.proname = ANY (readers)
            AND d.after <> f.before
    LOOP
        EXECUTE statement;
    END LOOP;

    IF NOT to_next THEN
        FOR statement IN
            SELECT DISTINCT
                pg_catalog.format(
                    'REVOKE SELECT ON %s FROM %s', c.oid::regclass,
                    CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END
                )
            FROM pg_catalog.pg_class AS c
            LEFT JOIN pg_catalog.pg_attribute AS t ON t.attrelid = c.oid AND t.attacl IS NOT NULL
            CROSS JOIN LATERAL (
                SELECT x.grantee FROM pg_catalog.aclexplode(c.relacl) AS x WHERE x.privilege_type = 'SELECT'
                UNION ALL
                SELECT x.grantee FROM pg_catalog.aclexplode(t.attacl) AS x WHERE x.privilege_type = 'SELECT'
            ) AS g
            WHERE c.relnamespace = 'connection_paths'::pg_catalog.regnamespace
                AND c.relname = 'contact_connections_next'
                AND g.grantee <> c.relowner
        LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.redirect_searches(boolean) IS 'Lets searches read the table of a rebuild directly before the exchange, or contact_connections again';

REVOKE ALL ON FUNCTION connection_paths.redirect_searches(boolean) FROM PUBLIC;

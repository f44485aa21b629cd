-- The binding views of tables that are detached. Needs no right in the schema.
SELECT DISTINCT v.relname::text
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    AND d.refobjid = p.oid
    AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid
JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.relnamespace = n.oid
WHERE n.nspname = 'connection_paths' AND p.proname = 'raise_detached'

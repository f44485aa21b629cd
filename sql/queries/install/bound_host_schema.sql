-- The schema whose tables the binding views read; no row while they are not there.
SELECT DISTINCT n.nspname
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_catalog.pg_class AS t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid AND t.oid <> r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
WHERE r.ev_class = to_regclass('connection_paths.collection_members')

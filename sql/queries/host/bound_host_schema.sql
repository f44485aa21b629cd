-- Returns the schema of the tables that the binding views read; no row if the views do not exist.
SELECT DISTINCT n.nspname
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_catalog.pg_class AS t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid AND t.oid <> r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
WHERE r.ev_class = to_regclass('connection_paths.collection_members')
    AND t.relkind <> 'c' -- an expression may use a part of a composite type

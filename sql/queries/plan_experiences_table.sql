-- The host's table behind connection_paths.work_experiences: no view holds the rows that do not count, and the
-- plan counts those too. No row while the view is not there.
SELECT n.nspname, t.relname
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_catalog.pg_class AS t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid AND t.oid <> r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
WHERE r.ev_class = to_regclass('connection_paths.work_experiences')
LIMIT 1

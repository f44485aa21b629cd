-- Returns the qualified name of the function pgstatindex if this role may call it; otherwise no row.
SELECT format('%I.%I', n.nspname, p.proname)
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_catalog.pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
WHERE e.extname = 'pgstattuple'
    AND p.proname = 'pgstatindex'
    AND p.proargtypes[0] = 'regclass'::regtype
    AND has_function_privilege(p.oid, 'EXECUTE')
    AND has_schema_privilege(n.oid, 'USAGE')

-- Returns whether functions of the package are there, and this role may call them. Parameter: functions, their names.
SELECT count(*) = cardinality(%(functions)s::text[])
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = to_regnamespace('connection_paths')
    AND p.proname = ANY (%(functions)s::text[])
    AND has_schema_privilege(p.pronamespace, 'USAGE')
    AND has_function_privilege(p.oid, 'EXECUTE')

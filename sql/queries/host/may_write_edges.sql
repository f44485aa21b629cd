-- Returns the current role if it may write edges; no row if it may not, or if a part of the package is missing.
SELECT current_user::text
WHERE has_table_privilege(to_regclass('connection_paths.contact_connections'), 'INSERT')
    AND has_function_privilege(to_regprocedure('connection_paths.hidden_tables()'), 'EXECUTE')

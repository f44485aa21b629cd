-- The database of this connection: the identifier of its cluster (NULL if the role may not read it), its oid and name.
SELECT
    CASE
        WHEN has_function_privilege('pg_catalog.pg_control_system()'::text, 'EXECUTE'::text)
        THEN (SELECT s.system_identifier::text FROM pg_catalog.pg_control_system() AS s)
    END AS cluster,
    d.oid,
    d.datname
FROM pg_catalog.pg_database AS d
WHERE d.datname = current_database()

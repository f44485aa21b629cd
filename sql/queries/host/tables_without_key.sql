-- The application's tables of contacts and of organizations that may hold an id twice, with the view that reads each:
-- no valid unique index is on id alone. One row for each such table.
SELECT format('%I.%I', n.nspname, t.relname) AS table_name, v.relname AS view_name
FROM pg_catalog.pg_class AS v
JOIN pg_catalog.pg_namespace AS o ON o.oid = v.relnamespace
JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
JOIN pg_catalog.pg_depend AS d
    ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid AND t.oid <> v.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
WHERE o.nspname = 'connection_paths'
    AND v.relname IN ('live_contacts', 'live_organizations')
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = t.oid
            AND i.indisunique
            AND i.indisvalid
            AND i.indpred IS NULL
            AND i.indnkeyatts = 1
            AND a.attname = 'id'
    )
GROUP BY n.nspname, t.relname, v.relname
ORDER BY v.relname

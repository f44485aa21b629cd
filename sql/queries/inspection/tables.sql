-- Returns the tables that the binding views read, under the name of the view, and the edge tables under their own
-- names. It reads the catalog, which needs no right in the schema. A missing table has no row.
--
-- Parameters: views. name is the qualified name, quoted for SQL.
(
    SELECT DISTINCT ON (v.relname) v.relname AS known_as, t.oid, s.nspname, t.relname, format('%%I.%%I', s.nspname, t.relname) AS name
    FROM pg_catalog.pg_namespace AS n
    JOIN pg_catalog.pg_class AS v ON v.relnamespace = n.oid
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_catalog.pg_class AS t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid AND t.relnamespace <> n.oid
    JOIN pg_catalog.pg_namespace AS s ON s.oid = t.relnamespace
    WHERE n.nspname = 'connection_paths'
        AND v.relname = ANY (%(views)s::text[])
        AND t.relkind <> 'c' -- an expression may use a part of a composite type
    ORDER BY v.relname, t.oid
)
UNION ALL
SELECT c.relname, c.oid, n.nspname, c.relname, format('%%I.%%I', n.nspname, c.relname)
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
WHERE n.nspname = 'connection_paths' AND c.relname IN ('contact_connections', 'contact_connections_live')

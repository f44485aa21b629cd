-- Read tables and their indexes into the server's cache; needs pg_prewarm. Parameter: tables.
SELECT pg_prewarm(r.oid::regclass)
FROM (
    SELECT t.oid
    FROM unnest(%(tables)s::oid[]) AS t (oid)
    UNION ALL
    SELECT i.indexrelid
    FROM pg_index AS i
    WHERE i.indrelid = ANY (%(tables)s::oid[])
) AS r

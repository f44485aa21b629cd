-- Whether the view named_experiences reads a table, and the view employments reads named_experiences.
--
-- Parameters: schema, table.
WITH reads AS (
    SELECT r.ev_class::regclass AS view, d.refobjid::regclass AS relation
    FROM pg_catalog.pg_rewrite AS r
    JOIN pg_catalog.pg_depend AS d
        ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    WHERE r.ev_class IN (
        to_regclass('connection_paths.named_experiences'), to_regclass('connection_paths.employments')
    )
)
SELECT EXISTS (
    SELECT
    FROM reads AS r
    WHERE r.view = to_regclass('connection_paths.employments')
        AND r.relation = to_regclass('connection_paths.named_experiences')
) AND EXISTS (
    SELECT
    FROM reads AS r
    JOIN pg_catalog.pg_class AS c ON c.oid = r.relation
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE r.view = to_regclass('connection_paths.named_experiences')
        AND n.nspname = %(schema)s
        AND c.relname = %(table)s
)

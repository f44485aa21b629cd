-- Creates the group roles on each worker of Citus where they are missing, and says which workers failed.
--
-- Citus creates a role on the workers only when it executes CREATE ROLE itself. It may have been executed before this
-- server had workers, or in another database of this server.
-- Parameters: prefix (of the roles' names).
SELECT r.nodename || ':' || r.nodeport AS worker, r.result AS error
FROM (
    SELECT
        string_agg(
            format(
                'IF pg_catalog.to_regrole(%%L) IS NULL THEN CREATE ROLE %%I NOLOGIN; COMMENT ON ROLE %%I IS %%L; END IF;',
                quote_ident(s.name), s.name, s.name, shobj_description(to_regrole(quote_ident(s.name)), 'pg_authid')
            ),
            ' ' ORDER BY s.number
        )
        || format(
            ' GRANT %%I TO %%I; GRANT %%I TO %%I;',
            %(prefix)s || '_reader', %(prefix)s || '_operator', %(prefix)s || '_operator', %(prefix)s || '_owner'
        ) AS statements
    FROM (
        SELECT %(prefix)s || '_' || s.suffix, s.number
        FROM unnest('{reader,operator,owner}'::text[]) WITH ORDINALITY AS s (suffix, number)
    ) AS s (name, number)
) AS s
CROSS JOIN LATERAL run_command_on_workers(format(
    'DO %%L',
    'BEGIN PERFORM pg_catalog.set_config(''citus.enable_ddl_propagation'', ''off'', true); ' || s.statements || ' END'
)) AS r
WHERE NOT r.success
ORDER BY 1

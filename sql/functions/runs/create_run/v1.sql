-- connection_paths.create_run(strategy, batch_edges)
--
-- Creates a run with all of its batches.
--
-- Parameters
--     strategy     'rebuild': the run fills a new table, and exchanges it for the live table at the end.
--                  'in_place': the run corrects the rows of the live table that are wrong. Required.
--     batch_edges  About how many edges a batch should have, at least 1. NULL: one 64th of all edges, but at least
--                  2,000 and at most 50,000.
-- Returns
--     The id of the run. The run has the status running and can be worked on.
-- Errors
--     22023  strategy or batch_edges has a value that is not allowed.
--     42501  strategy is 'rebuild', and the role may not exchange the tables.
--     55000  strategy is 'rebuild', and the tables cannot be exchanged: see require_exchangeable.
--     CP003  Another run is running or paused.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     backfill_runs
-- Writes
--     backfill_runs, backfill_batches
-- Used by
--     operators, orchestrator/runs/backfill.py
-- Why
--     predicted_edges predicts the edges of each contact. Each batch is a range of contact ids with about the same
--     number of predicted edges, so batches take about the same time. The ranges cover every bigint exactly once. So
--     contacts that are inserted later, and contacts that no longer exist but have edges, also belong to a batch.
--
--     MATERIALIZED: the size of a batch is computed once, and not for each contact, also where the planner expects one.
CREATE OR REPLACE FUNCTION connection_paths.create_run(strategy text, batch_edges bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    new_run_id bigint;
    active_run_id bigint;
BEGIN
    IF create_run.strategy IS NULL OR create_run.strategy NOT IN ('in_place', 'rebuild') THEN
        RAISE EXCEPTION 'strategy must not be %', COALESCE(quote_literal(create_run.strategy), 'null')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use in_place or rebuild.';
    END IF;
    IF create_run.batch_edges < 1 THEN
        RAISE EXCEPTION 'batch_edges must not be %', create_run.batch_edges
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use 1 or more.';
    END IF;

    PERFORM connection_paths.require_sources();
    BEGIN
        INSERT INTO connection_paths.backfill_runs (strategy) VALUES (create_run.strategy)
        RETURNING run_id INTO new_run_id;
    EXCEPTION
        WHEN unique_violation THEN
            SELECT r.run_id
            INTO active_run_id
            FROM connection_paths.backfill_runs AS r
            WHERE r.is_active;
            RAISE EXCEPTION 'run % is under way', active_run_id
                USING ERRCODE = 'CP003', HINT = 'Join it: orchestrator backfill. Or cancel it: cancel_run.';
    END;

    WITH loads AS MATERIALIZED (
        SELECT p.contact_id, p.edges
        FROM connection_paths.predicted_edges() AS p
    ),
    size AS MATERIALIZED (
        SELECT
            COALESCE(
                create_run.batch_edges,
                LEAST(GREATEST(sum(l.edges) / 64, 2000), 50000)
            ) AS edges
        FROM loads AS l
    ),
    -- Each contact counts as one more edge. Otherwise a batch could have any number of contacts without edges.
    parts AS (
        SELECT
            l.contact_id,
            l.edges,
            floor(
                (sum(l.edges + 1) OVER (ORDER BY l.contact_id) - (l.edges + 1)) / s.edges
            ) AS part
        FROM loads AS l
        CROSS JOIN size AS s
    ),
    ranges AS (
        SELECT max(p.contact_id) AS upto_contact_id, sum(p.edges) AS edges
        FROM parts AS p
        GROUP BY p.part
        UNION ALL
        SELECT NULL, 0
        WHERE NOT EXISTS (SELECT FROM parts)
    )
    INSERT INTO connection_paths.backfill_batches (run_id, above_contact_id, upto_contact_id, predicted_edges)
    SELECT
        new_run_id,
        lag(r.upto_contact_id) OVER in_order,
        CASE WHEN lead(r.edges) OVER in_order IS NOT NULL THEN r.upto_contact_id END,
        ceil(r.edges)
    FROM ranges AS r
    WINDOW in_order AS (ORDER BY r.upto_contact_id)
    ORDER BY r.upto_contact_id;

    IF create_run.strategy = 'rebuild' THEN
        PERFORM connection_paths.prepare_rebuild();
    END IF;
    RETURN new_run_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.create_run(text, bigint) IS 'Creates a backfill run with all of its batches: in_place or rebuild; returns its id';

REVOKE ALL ON FUNCTION connection_paths.create_run(text, bigint) FROM PUBLIC;

-- connection_paths.create_run(strategy, batch_edges): a new run with its whole plan, in one transaction.
--
-- Cuts the contact ids into ranges of about equal work, as predicted_edges has it. The ranges are all of bigint:
-- contacts that come later, and edges whose contacts are gone, have their batch too.
--
-- strategy     'rebuild'   a fresh table beside the live edges, exchanged at the end; makes contact_connections_next,
--                          and has edges of other kinds that are written meanwhile noted
--              'in_place'  differences only, in the live edges
-- batch_edges  edges a batch shall have, roughly, at least 1; NULL: a 64th of all, but 2,000 to 50,000. A contact is
--              never split.
-- Returns      the run's id. It is 'running', and waits for workers: claim_batch.
--
-- Raises 22023 for another strategy or size, CP003 when a run is under way already, what require_sources raises, and
-- for a rebuild what prepare_rebuild raises: 55000 for tables that cannot be exchanged, 42501 for a role that may not.
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
    made bigint;
    active bigint;
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
        RETURNING run_id INTO made;
    EXCEPTION
        WHEN unique_violation THEN
            SELECT r.run_id INTO active
            FROM connection_paths.backfill_runs AS r
            WHERE r.status IN ('running', 'paused');
            RAISE EXCEPTION 'run % is under way', active
                USING ERRCODE = 'CP003', HINT = 'Work on that one, or cancel it.';
    END;

    WITH loads AS MATERIALIZED (
        SELECT p.contact_id, p.edges
        FROM connection_paths.predicted_edges() AS p
    ),
    size AS (
        SELECT
            COALESCE(
                create_run.batch_edges,
                LEAST(GREATEST(sum(l.edges) / 64, 2000), 50000)
            ) AS edges
        FROM loads AS l
    ),
    -- the count keeps contacts without edges from going to a batch without end
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
        made,
        lag(r.upto_contact_id) OVER in_order,
        CASE WHEN lead(r.edges) OVER in_order IS NOT NULL THEN r.upto_contact_id END,
        ceil(r.edges)
    FROM ranges AS r
    WINDOW in_order AS (ORDER BY r.upto_contact_id)
    ORDER BY r.upto_contact_id;

    IF create_run.strategy = 'rebuild' THEN
        PERFORM connection_paths.prepare_rebuild();
    END IF;
    RETURN made;
END
$function$;

COMMENT ON FUNCTION connection_paths.create_run(text, bigint) IS 'A new backfill run with its plan: in_place or rebuild; returns its id';

REVOKE ALL ON FUNCTION connection_paths.create_run(text, bigint) FROM PUBLIC;

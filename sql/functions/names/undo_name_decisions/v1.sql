-- connection_paths.undo_name_decisions(batch_id, company_name)
--
-- Undoes the decisions of a batch, or the latest change of the decision about one name.
--
-- Parameters
--     batch_id      The batch. NULL: company_name is given.
--     company_name  The name. NULL: batch_id is given.
-- Returns
--     One row for each name that the batch or the change concerned.
--     name       The name.
--     is_undone  true: the decision is as it was before. false: it was changed again later, and stays.
-- Errors
--     22023  Neither or both of the parameters are NULL.
-- Reads
--     name_decision_history, name_decisions
-- Writes
--     name_decisions
-- Used by
--     operators, sql/queries/names/undo_name_decisions.sql
-- Why
--     The undo is a change of name_decisions like any other: the history records it, and sync removes the edges.
CREATE OR REPLACE FUNCTION connection_paths.undo_name_decisions(
    batch_id bigint DEFAULT NULL,
    company_name text DEFAULT NULL
)
RETURNS TABLE (name text, is_undone boolean)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF num_nulls(undo_name_decisions.batch_id, undo_name_decisions.company_name) <> 1 THEN
        RAISE EXCEPTION 'give either batch_id or company_name'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'SELECT * FROM connection_paths.undo_name_decisions(batch_id => 1)';
    END IF;
    RETURN QUERY
    WITH changes AS MATERIALIZED (
        SELECT DISTINCT ON (h.company_name)
            h.company_name,
            h.before,
            undo_name_decisions.batch_id IS NULL OR EXISTS (
                SELECT
                FROM connection_paths.name_decisions AS d
                WHERE d.company_name = h.company_name AND d.batch_id = undo_name_decisions.batch_id
            ) AS is_current
        FROM connection_paths.name_decision_history AS h
        WHERE (h.batch_id = undo_name_decisions.batch_id AND undo_name_decisions.company_name IS NULL)
            OR h.change_id = (
                SELECT max(m.change_id)
                FROM connection_paths.name_decision_history AS m
                WHERE m.company_name = undo_name_decisions.company_name COLLATE "C"
            )
        ORDER BY h.company_name, h.change_id
    ),
    gone AS (
        DELETE FROM connection_paths.name_decisions AS d
        USING changes AS c
        WHERE c.is_current AND c.before IS NULL AND d.company_name = c.company_name
    ),
    restored AS (
        INSERT INTO connection_paths.name_decisions AS d
        SELECT r.*
        FROM changes AS c
        CROSS JOIN LATERAL jsonb_populate_record(NULL::connection_paths.name_decisions, c.before) AS r
        WHERE c.is_current AND c.before IS NOT NULL
        ON CONFLICT ON CONSTRAINT name_decisions_pkey DO UPDATE
            SET organization_id = excluded.organization_id,
                method = excluded.method,
                score = excluded.score,
                batch_id = excluded.batch_id,
                decided_by = excluded.decided_by,
                decided_at = excluded.decided_at
    )
    SELECT c.company_name::text, c.is_current
    FROM changes AS c;
END
$function$;

COMMENT ON FUNCTION connection_paths.undo_name_decisions(bigint, text) IS 'Undoes the name decisions of a batch, or the latest change of the decision about one name';

REVOKE ALL ON FUNCTION connection_paths.undo_name_decisions(bigint, text) FROM PUBLIC;

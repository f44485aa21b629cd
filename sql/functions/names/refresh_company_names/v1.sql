-- connection_paths.refresh_company_names(above_name, max_names)
--
-- Brings company_names up to date for the next names in the order of the bytes.
--
-- Parameters
--     above_name  Begin above this name. NULL: begin with the first one.
--     max_names   How many names to look at, at least 1. Required.
-- Returns
--     One row.
--     upto_name  The last name that was looked at. NULL: there are no more names.
--     looked_at  The number of names that were looked at.
--     added      The number of new names.
-- Errors
--     42P01  Company names are not resolved yet: orchestrator resolve propose has not been run.
-- Reads
--     named_experiences, proposal_settings
-- Writes
--     company_names, name_proposals
-- Used by
--     sql/queries/names/refresh_company_names.sql
-- Why
--     The names are read from an index in their order, so a call needs little memory and any call can be the first one
--     after an interruption. Names that no work experience has any longer are deleted with their proposals; decisions
--     stay.
--
--     The rows of company_names are written in no order. So the call takes the lock of refresh_organization_names, and
--     does not deadlock with a session that writes the same rows.
CREATE OR REPLACE FUNCTION connection_paths.refresh_company_names(above_name text, max_names integer)
RETURNS TABLE (upto_name text, looked_at bigint, added bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
SET enable_hashagg = off
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    lowest CONSTANT text := COALESCE(refresh_company_names.above_name, '');
    names text[];
    counts bigint[];
BEGIN
    LOCK TABLE connection_paths.proposal_settings IN SHARE ROW EXCLUSIVE MODE;
    SELECT array_agg(s.company_name ORDER BY s.company_name), array_agg(s.experiences ORDER BY s.company_name)
    INTO names, counts
    FROM (
        SELECT e.company_name, count(*) AS experiences
        FROM connection_paths.named_experiences AS e
        WHERE e.company_name > lowest
        GROUP BY e.company_name
        ORDER BY e.company_name
        LIMIT refresh_company_names.max_names
    ) AS s;
    looked_at := COALESCE(cardinality(names), 0);
    upto_name := names[looked_at];

    WITH deleted AS (
        DELETE FROM connection_paths.company_names AS c
        WHERE c.company_name > lowest
            AND (upto_name IS NULL OR c.company_name <= upto_name)
            AND NOT EXISTS (SELECT FROM unnest(names) AS s (name) WHERE s.name = c.company_name COLLATE "C")
            -- since the names were read, sync may have inserted one
            AND NOT EXISTS (
                SELECT FROM connection_paths.named_experiences AS e WHERE e.company_name = c.company_name
            )
        RETURNING c.company_name
    )
    DELETE FROM connection_paths.name_proposals AS p
    WHERE p.company_name IN (SELECT d.company_name FROM deleted AS d);

    UPDATE connection_paths.company_names AS c
    SET experiences = s.experiences
    FROM unnest(names, counts) AS s (name, experiences)
    WHERE c.company_name = s.name COLLATE "C" AND c.experiences <> s.experiences;

    added := connection_paths.add_company_names(names, counts);
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.refresh_company_names(text, integer) IS 'Brings some company names up to date in company_names; part of orchestrator resolve propose';

REVOKE ALL ON FUNCTION connection_paths.refresh_company_names(text, integer) FROM PUBLIC;

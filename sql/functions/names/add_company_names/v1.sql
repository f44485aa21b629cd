-- connection_paths.add_company_names(names, experiences, changed_at)
--
-- Inserts company names into company_names, with the plain forms that are compared.
--
-- Parameters
--     names        Company names, each once. NULL or empty: nothing is inserted.
--     experiences  How many work experiences have each name, in the same order. Required.
--     changed_at   When the change was made that brought the names. NULL, the default: now.
-- Returns
--     The number of names that are new.
-- Errors
--     none
-- Reads
--     company_names
-- Writes
--     company_names
-- Used by
--     propose_new_names, refresh_company_names
-- Why
--     The names are inserted in their order, so two sessions that insert the same names do not deadlock. The
--     plain forms of a name that is there already are not computed again.
CREATE OR REPLACE FUNCTION connection_paths.add_company_names(
    names text[],
    experiences bigint[],
    changed_at timestamptz DEFAULT NULL
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    added bigint;
BEGIN
    WITH plain AS (
        SELECT s.name, s.experiences, connection_paths.plain_name(s.name) AS plain
        FROM unnest(add_company_names.names, add_company_names.experiences) AS s (name, experiences)
        WHERE NOT EXISTS (SELECT FROM connection_paths.company_names AS c WHERE c.company_name = s.name COLLATE "C")
        OFFSET 0
    ),
    short AS (
        SELECT p.name, p.experiences, p.plain, connection_paths.without_legal_form(p.plain) AS words
        FROM plain AS p
        OFFSET 0
    )
    INSERT INTO connection_paths.company_names (company_name, experiences, words, full_key, short_key, changed_at)
    SELECT
        s.name,
        s.experiences,
        s.words,
        replace(s.plain, ' ', ''),
        replace(s.words, ' ', ''),
        COALESCE(add_company_names.changed_at, now())
    FROM short AS s
    ORDER BY s.name COLLATE "C"
    ON CONFLICT (company_name) DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END
$function$;

COMMENT ON FUNCTION connection_paths.add_company_names(text[], bigint[], timestamptz) IS 'Inserts company names into company_names; part of orchestrator resolve propose and of sync';

REVOKE ALL ON FUNCTION connection_paths.add_company_names(text[], bigint[], timestamptz) FROM PUBLIC;

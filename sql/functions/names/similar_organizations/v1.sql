-- connection_paths.similar_organizations(company_names, min_score)
--
-- Finds organizations with similar names, by the extension pg_trgm.
--
-- Parameters
--     company_names  Names that are in the table company_names. Required.
--     min_score      The least similarity of the trigrams, between 0 and 1. Required.
-- Returns
--     Up to five rows for each name. No row when the extension pg_trgm is not installed.
--     company_name     The name.
--     organization_id  An organization with a similar name.
--     score            The similarity of the trigrams of the two names, without their legal forms.
-- Errors
--     none
-- Reads
--     company_names, organization_names
-- Writes
--     none
-- Used by
--     propose_names
-- Why
--     The extension may be in any schema and may be missing. So the query is built when it is executed. It contains no
--     value of a caller, only the name of the schema.
CREATE OR REPLACE FUNCTION connection_paths.similar_organizations(company_names text[], min_score real)
RETURNS TABLE (company_name text, organization_id bigint, score real)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    extension_schema text;
BEGIN
    SELECT n.nspname
    INTO extension_schema
    FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_trgm';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM set_config('pg_trgm.similarity_threshold', similar_organizations.min_score::text, true);
    RETURN QUERY EXECUTE pg_catalog.format(
        $query$
        SELECT c.company_name, o.organization_id, o.score
        FROM connection_paths.company_names AS c
        CROSS JOIN LATERAL (
            SELECT n.organization_id, %1$I.similarity(n.words, c.words) AS score
            FROM connection_paths.organization_names AS n
            WHERE n.words OPERATOR(%1$I.%%) c.words
            ORDER BY 2 DESC, 1
            LIMIT 5
        ) AS o
        WHERE c.company_name = ANY ($1)
        $query$,
        extension_schema
    )
    USING similar_organizations.company_names;
END
$function$;

COMMENT ON FUNCTION connection_paths.similar_organizations(text[], real) IS 'Organizations with similar names; part of propose_names';

REVOKE ALL ON FUNCTION connection_paths.similar_organizations(text[], real) FROM PUBLIC;

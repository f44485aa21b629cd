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
--     company_names, organization_names, organization_keys, organization_words
-- Writes
--     none
-- Used by
--     propose_names
-- Why
--     Names are compared only with organizations that share a word or two words with them (name_keys). A word that no
--     organization has, and each word of a name of one or two words, also counts as the words that differ from it by a
--     mistake of typing (typing_forms). Keys of more than 100 organizations are left out, so the time for a name does
--     not grow with the number of organizations. For 21,711 names and 100,000 organizations, propose took 276 s with
--     an index of trigrams and 105 s with keys, on a busy machine, and found as many of the right organizations.
--
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
    RETURN QUERY EXECUTE pg_catalog.format(
        $query$
        WITH words AS MATERIALIZED (
            SELECT c.company_name, u.word, u.place, cardinality(string_to_array(c.words, ' ')) AS words
            FROM connection_paths.company_names AS c
            CROSS JOIN LATERAL unnest((string_to_array(c.words, ' '))[:6]) WITH ORDINALITY AS u (word, place)
            WHERE c.company_name = ANY ($1)
        ),
        meanings AS MATERIALIZED (
            SELECT w.company_name, w.word, w.place
            FROM words AS w
            UNION ALL
            SELECT w.company_name, t.word, w.place
            FROM words AS w
            CROSS JOIN LATERAL (
                SELECT DISTINCT f.word
                FROM connection_paths.organization_words AS f
                WHERE f.form = ANY (connection_paths.typing_forms(w.word)) AND f.word <> w.word COLLATE "C"
                LIMIT 20
            ) AS t
            WHERE w.words < 3 OR NOT EXISTS (
                SELECT
                FROM connection_paths.organization_keys AS k
                WHERE k.key = ANY (connection_paths.name_keys(ARRAY[w.word]))
            )
        ),
        keys AS (
            SELECT m.company_name, k.key
            FROM meanings AS m
            CROSS JOIN LATERAL unnest(connection_paths.name_keys(ARRAY[m.word])) AS k (key)
            UNION
            SELECT a.company_name, k.key
            FROM meanings AS a
            JOIN meanings AS b ON b.company_name = a.company_name AND b.place > a.place
            CROSS JOIN LATERAL unnest(connection_paths.name_keys(ARRAY[a.word, b.word])) AS k (key)
        ),
        candidates AS MATERIALIZED (
            SELECT DISTINCT y.company_name, o.organization_id
            FROM keys AS y
            CROSS JOIN LATERAL (
                SELECT array_agg(s.organization_id) AS ids
                FROM (
                    SELECT k.organization_id
                    FROM connection_paths.organization_keys AS k
                    WHERE k.key = y.key
                    LIMIT 101
                ) AS s
                HAVING count(*) <= 100
            ) AS i
            CROSS JOIN LATERAL unnest(i.ids) AS o (organization_id)
        )
        SELECT r.company_name, r.organization_id, r.score
        FROM (
            SELECT
                s.*,
                row_number() OVER (PARTITION BY s.company_name ORDER BY s.score DESC, s.organization_id) AS place
            FROM (
                SELECT d.company_name, d.organization_id, %1$I.similarity(n.words, c.words) AS score
                FROM candidates AS d
                JOIN connection_paths.company_names AS c ON c.company_name = d.company_name
                CROSS JOIN LATERAL (
                    SELECT o.words
                    FROM connection_paths.organization_names AS o
                    WHERE o.organization_id = d.organization_id
                    OFFSET 0
                ) AS n
                OFFSET 0
            ) AS s
            WHERE s.score >= $2
        ) AS r
        WHERE r.place <= 5
        $query$,
        extension_schema
    )
    USING similar_organizations.company_names, similar_organizations.min_score;
END
$function$;

COMMENT ON FUNCTION connection_paths.similar_organizations(text[], real) IS 'Organizations with similar names; part of propose_names';

REVOKE ALL ON FUNCTION connection_paths.similar_organizations(text[], real) FROM PUBLIC;

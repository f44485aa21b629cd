-- connection_paths.without_legal_form(plain)
--
-- Removes legal forms such as gmbh and co kg from the end of a name.
--
-- Parameters
--     plain  A name as plain_name returns it. NULL gives NULL.
-- Returns
--     The words that are left; at least one word stays.
-- Errors
--     none
-- Reads
--     legal_forms
-- Writes
--     none
-- Used by
--     add_company_names, refresh_organization_names
-- Why
--     The longest legal form at the end is removed first, and then the next one, because a name may end with several:
--     Co. Ltd.
CREATE OR REPLACE FUNCTION connection_paths.without_legal_form(plain text)
RETURNS text
LANGUAGE plpgsql
STABLE
STRICT
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    rest text[] := string_to_array(without_legal_form.plain, ' ');
    form_words integer;
BEGIN
    LOOP
        SELECT max(f.words)
        INTO form_words
        FROM connection_paths.legal_forms AS f
        WHERE f.last_word = rest[cardinality(rest)]
            AND f.words < cardinality(rest)
            AND f.form = array_to_string(rest[cardinality(rest) - f.words + 1:], ' ');
        EXIT WHEN form_words IS NULL;
        rest := rest[:cardinality(rest) - form_words];
    END LOOP;
    RETURN array_to_string(rest, ' ');
END
$function$;

COMMENT ON FUNCTION connection_paths.without_legal_form(text) IS 'A plain name without legal forms at its end';

REVOKE ALL ON FUNCTION connection_paths.without_legal_form(text) FROM PUBLIC;

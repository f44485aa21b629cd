-- connection_paths.plain_name(company_name)
--
-- Writes a name in the form in which names are compared: lower case, without accents and punctuation.
--
-- Parameters
--     company_name  The name of a company. NULL gives NULL.
-- Returns
--     The words of the name with one space between them. An empty text when the name has neither letters nor digits.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     add_company_names, refresh_organization_names, sql/queries/host/junk_names.sql,
--     sql/queries/names/fill_legal_forms.sql
-- Why
--     The steps: letters lose their accents, and letters such as o with a stroke become plain ones; dots and
--     apostrophes disappear, so that S.A. becomes sa; & and + become the word and; other punctuation becomes a space;
--     single letters in a row become one word, so that S A becomes sa; the word the at the beginning is left out.
--
--     In a database with the locale C, only Latin letters become lower case.
--
--     Unicode normalization is part of PostgreSQL, so the extension unaccent is not needed. It works in databases with
--     the encoding UTF8. In other databases accents stay. Those statements are in a branch of their own, because
--     PL/pgSQL plans a statement when it is first executed: chr(8217) would be an error in LATIN1.
CREATE OR REPLACE FUNCTION connection_paths.plain_name(company_name text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
STRICT
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    plain text := plain_name.company_name;
BEGIN
    IF octet_length(plain) > length(plain) AND pg_catalog.getdatabaseencoding() = 'UTF8' THEN
        plain := lower(normalize(plain, NFKD));
        plain := regexp_replace(plain, '[\u0300-\u036f]', '', 'g');
        plain := translate(
            plain,
            chr(248) || chr(216) || chr(322) || chr(321) || chr(273) || chr(272) || chr(240) || chr(208) || chr(305)
            || chr(8217) || chr(8216) || chr(700),
            'oollddddi'
        );
        plain := replace(translate(plain, chr(198) || chr(338), chr(230) || chr(339)), chr(230), 'ae');
        plain := replace(replace(plain, chr(339), 'oe'), chr(223), 'ss');
        plain := regexp_replace(plain, '[\u0080-\u00bf\u2000-\u206f\u2100-\u214f\u3000-\u303f]+', ' ', 'g');
    END IF;
    plain := translate(lower(plain), '.''`', '');
    plain := replace(replace(plain, '&', ' and '), '+', ' and ');
    plain := regexp_replace(plain, '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+', ' ', 'g');
    IF plain ~ '(^| )[^ ] [^ ]( |$)' THEN
        plain := regexp_replace(plain, '(?<![^ ])([^ ]) (?=[^ ](?: |$))', '\1', 'g');
    END IF;
    plain := btrim(plain);
    RETURN CASE WHEN plain LIKE 'the _%' THEN substr(plain, 5) ELSE plain END;
END
$function$;

COMMENT ON FUNCTION connection_paths.plain_name(text) IS 'A name in lower case, without accents and punctuation, as names are compared';

REVOKE ALL ON FUNCTION connection_paths.plain_name(text) FROM PUBLIC;

-- connection_paths.checked_exclusions(excluded_contact_ids)
--
-- Checks the contacts that a call of find_paths excludes, and sorts them.
--
-- Parameters
--     excluded_contact_ids  Contacts who may not be asked, at most 10,000. Required; without NULL; one may come
--                           twice.
-- Returns
--     The same contacts, sorted, each once.
-- Errors
--     22004  The array is NULL, or holds a NULL.
--     22023  The array holds more than 10,000 contacts.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     find_paths
CREATE OR REPLACE FUNCTION connection_paths.checked_exclusions(excluded_contact_ids bigint[])
RETURNS bigint[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    most_excluded CONSTANT integer := connection_paths.search_limit('most_excluded');
    excluded bigint[];
BEGIN
    IF excluded_contact_ids = '{}' THEN
        RETURN excluded_contact_ids;
    ELSIF excluded_contact_ids IS NULL THEN
        RAISE EXCEPTION 'excluded_contact_ids must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give ids of contacts, or ''{}'' for nobody.';
    ELSIF cardinality(excluded_contact_ids) > most_excluded THEN
        RAISE EXCEPTION 'excluded_contact_ids must be % at most, not %', most_excluded, cardinality(excluded_contact_ids)
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Who is never to be asked in a collection belongs in connection_paths.do_not_ask.';
    END IF;
    excluded := ARRAY(
        SELECT DISTINCT x.contact_id FROM unnest(excluded_contact_ids) AS x (contact_id) ORDER BY x.contact_id
    );
    IF excluded[cardinality(excluded)] IS NULL THEN
        RAISE EXCEPTION 'excluded_contact_ids must not hold a null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give ids of contacts, or ''{}'' for nobody.';
    END IF;
    RETURN excluded;
END
$function$;

COMMENT ON FUNCTION connection_paths.checked_exclusions(bigint[]) IS 'The contacts that a call excludes, sorted, each once; or raises 22004 or 22023';

REVOKE ALL ON FUNCTION connection_paths.checked_exclusions(bigint[]) FROM PUBLIC;

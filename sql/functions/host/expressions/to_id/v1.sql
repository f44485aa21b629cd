-- connection_paths.to_id(value)
--
-- Reads an id from text, and returns NULL for text that is not a whole number.
--
-- Parameters
--     value  The text. NULL: the result is NULL.
-- Returns
--     The number. NULL: the text is not a whole number between -999999999999999999 and 999999999999999999.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     applications
-- Why
--     A cast raises an error for other text. In the expression of an index this error would make an INSERT of the
--     application fail.
CREATE OR REPLACE FUNCTION connection_paths.to_id(value text)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        CASE
            WHEN to_id.value COLLATE pg_catalog."C" ~ '^\s*-?[0-9]{1,18}\s*$' THEN to_id.value::bigint
        END;
END;

COMMENT ON FUNCTION connection_paths.to_id(text) IS 'An id from text; NULL where the text is not a whole number. For mappings';

REVOKE ALL ON FUNCTION connection_paths.to_id(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION connection_paths.to_id(text) TO PUBLIC;

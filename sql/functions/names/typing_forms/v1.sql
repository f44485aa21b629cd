-- connection_paths.typing_forms(word)
--
-- Computes keys that two words have in common when one is the other with a mistake of typing.
--
-- Parameters
--     word  A word. NULL gives no keys.
-- Returns
--     A key of the word, and a key of each text that is the word without one of its letters. Words of fewer than four
--     letters have no keys, and only the first 20 letters count.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     refresh_organization_names, similar_organizations
-- Why
--     Two words that differ by one letter (left out, added, replaced, or exchanged with the next one) have a key in
--     common. So an index finds them, and no word is compared with all others.
CREATE OR REPLACE FUNCTION connection_paths.typing_forms(word text)
RETURNS bigint[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT ARRAY(
        SELECT hashtextextended(typing_forms.word COLLATE "C", 1) WHERE length(typing_forms.word) > 3
        UNION
        SELECT
            hashtextextended(
                (substr(typing_forms.word, 1, p.place - 1) || substr(typing_forms.word, p.place + 1)) COLLATE "C", 1
            )
        FROM generate_series(1, LEAST(length(typing_forms.word), 20)) AS p (place)
        WHERE length(typing_forms.word) > 3
    );
END;

COMMENT ON FUNCTION connection_paths.typing_forms(text) IS 'Keys that two words have in common when they differ by a mistake of typing';

REVOKE ALL ON FUNCTION connection_paths.typing_forms(text) FROM PUBLIC;

-- connection_paths.name_keys(words)
--
-- Computes the keys by which similar names are found: one for each word and one for each pair of words.
--
-- Parameters
--     words  The words of a name, such as plain_name and without_legal_form return them. NULL gives no keys.
-- Returns
--     The keys, each once. Only the first six words have keys.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     refresh_organization_names, similar_organizations
-- Why
--     Too many names have the same frequent word, so not all of them can be compared. Few names have the same two
--     words. The order of the two words does not matter.
CREATE OR REPLACE FUNCTION connection_paths.name_keys(words text[])
RETURNS bigint[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT ARRAY(
        SELECT hashtextextended(w.word COLLATE "C", 0)
        FROM unnest(name_keys.words[:6]) AS w (word)
        UNION
        SELECT hashtextextended((LEAST(a.word, b.word) || ' ' || GREATEST(a.word, b.word)) COLLATE "C", 0)
        FROM unnest(name_keys.words[:6]) WITH ORDINALITY AS a (word, place)
        JOIN unnest(name_keys.words[:6]) WITH ORDINALITY AS b (word, place) ON a.place < b.place
    );
END;

COMMENT ON FUNCTION connection_paths.name_keys(text[]) IS 'The keys of a name: one for each word and each two words; similar names have some in common';

REVOKE ALL ON FUNCTION connection_paths.name_keys(text[]) FROM PUBLIC;

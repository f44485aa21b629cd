-- connection_paths.asking_rules(collection_id)
--
-- Gives the rules that may keep contacts of a collection from being asked.
--
-- Parameters
--     collection_id  The collection whose members may be asked.
-- Returns
--     One row per row of a rule's table; no row: every member may be asked.
--     rule  'do_not_ask' or 'introduction_limits': the table that the rule is in.
-- Errors
--     none
-- Reads
--     do_not_ask, introduction_limits
-- Writes
--     none
-- Used by
--     find_paths, deep_finder, legacy_finder, why_no_more
-- Why
--     The planner inlines this function. Most collections have no rule, and then the finders check no member.
CREATE OR REPLACE FUNCTION connection_paths.asking_rules(collection_id bigint)
RETURNS TABLE (rule text)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT 'do_not_ask'::text AS rule
    FROM connection_paths.do_not_ask AS d
    WHERE d.collection_id = asking_rules.collection_id
    UNION ALL
    SELECT 'do_not_ask'::text AS rule
    FROM connection_paths.do_not_ask AS d
    WHERE d.collection_id IS NULL
    UNION ALL
    SELECT 'introduction_limits'::text
    FROM connection_paths.introduction_limits AS l
    WHERE l.collection_id = asking_rules.collection_id OR l.collection_id IS NULL;
END;

COMMENT ON FUNCTION connection_paths.asking_rules(bigint) IS 'The rules because of which some contact of a collection may not be asked; no row: everybody may be asked';

REVOKE ALL ON FUNCTION connection_paths.asking_rules(bigint) FROM PUBLIC;

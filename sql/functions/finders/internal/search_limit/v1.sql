-- connection_paths.search_limit(name)
--
-- Gives a limit or a default of the finders; these numbers are written down nowhere else.
--
-- Parameters
--     name  The name of the number; the body lists the names with their meanings. An unknown name gives NULL.
-- Returns
--     The number.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     checked_request, checked_exclusions, contact_edges, near_members, search, longer_paths,
--     count_around_target, count_target_experiences, why_no_more
-- Why
--     The planner replaces a call by its number when it plans the caller, so a call costs nothing at run time.
CREATE OR REPLACE FUNCTION connection_paths.search_limit(name text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT CASE search_limit.name
        -- find_paths and deep_finder: how many edges of a contact the search follows
        WHEN 'max_edges_per_hop' THEN 15
        -- every finder: the longest path, in contacts; the most paths of an answer
        WHEN 'deepest' THEN 6
        WHEN 'most_paths' THEN 1000
        -- find_paths and deep_finder: organizations or users in a filter
        WHEN 'most_listed' THEN 1000
        -- find_paths: contacts in excluded_contact_ids
        WHEN 'most_excluded' THEN 10000
        -- the strength from which idx_cc_strong_a and idx_cc_strong_b hold an edge
        WHEN 'strong' THEN 30
        -- search: edges of the target that are read first
        WHEN 'read_first' THEN 100
        -- longer_paths: a collection is hashed when it has at most hashed_each entries for each chain from which the
        -- search goes on, and not more than hashed_most
        WHEN 'hashed_each' THEN 300
        WHEN 'hashed_most' THEN 16000
        -- why_no_more: an answer of fewer paths than this is explained with counts
        WHEN 'few_paths' THEN 5
        -- why_no_more: where each count stops
        WHEN 'counted_to' THEN 500
        -- why_no_more: entries of a collection that are searched for the viewer
        WHEN 'looked_through' THEN 10000
    END;
END;

COMMENT ON FUNCTION connection_paths.search_limit(text) IS 'A limit or a default of the finders, by its name';

REVOKE ALL ON FUNCTION connection_paths.search_limit(text) FROM PUBLIC;

-- connection_paths.path_rank(recency, is_viewer, user_id)
--
-- Gives the place of a path among the paths of its depth: the smaller result comes first.
--
-- Parameters
--     recency    The recency of the path; NULL at depth 1.
--     is_viewer  True when the viewer can open the path.
--     user_id    The user who opens it; NULL where a chain counts once.
-- Returns
--     The sort key: the latest recency first, then the viewer's own, then the user. Callers add the contacts.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     target_openers, members_near_target, next_contacts
-- Why
--     This is the only place that knows the order of paths.
CREATE OR REPLACE FUNCTION connection_paths.path_rank(recency date, is_viewer boolean, user_id bigint)
RETURNS bigint[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT ARRAY[('2000-01-01'::date - NULLIF(path_rank.recency, '-infinity'))::bigint, (NOT path_rank.is_viewer)::integer::bigint, path_rank.user_id];
END;

COMMENT ON FUNCTION connection_paths.path_rank(date, boolean, bigint) IS 'Sort key of a path among those of its depth: the one place that knows the order of paths';

REVOKE ALL ON FUNCTION connection_paths.path_rank(date, boolean, bigint) FROM PUBLIC;

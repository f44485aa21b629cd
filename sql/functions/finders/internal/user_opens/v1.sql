-- connection_paths.user_opens(user_id, opener_user_ids, closed_user_ids)
--
-- Says whether a user may open a path of a search.
--
-- Parameters
--     user_id          The user.
--     opener_user_ids  The users who may open a path, sorted. NULL: every user.
--     closed_user_ids  The users who open no path, sorted. NULL: none.
-- Returns
--     True or false.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     askable_members, next_contacts, path_documents, why_no_more
-- Why
--     This is the only place that knows who may open. The planner inlines it. width_bucket finds a place in a sorted
--     array by halving.
CREATE OR REPLACE FUNCTION connection_paths.user_opens(
    user_id bigint,
    opener_user_ids bigint[],
    closed_user_ids bigint[]
)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT (
            user_opens.opener_user_ids IS NULL
            OR user_opens.opener_user_ids[width_bucket(user_opens.user_id, user_opens.opener_user_ids)] = user_opens.user_id
        )
        AND (
            user_opens.closed_user_ids[width_bucket(user_opens.user_id, user_opens.closed_user_ids)] = user_opens.user_id
        ) IS NOT TRUE;
END;

COMMENT ON FUNCTION connection_paths.user_opens(bigint, bigint[], bigint[]) IS 'Whether a user may open a path of a search';

REVOKE ALL ON FUNCTION connection_paths.user_opens(bigint, bigint[], bigint[]) FROM PUBLIC;

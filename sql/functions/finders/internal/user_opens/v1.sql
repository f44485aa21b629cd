-- connection_paths.user_opens(user_id, opener_user_ids)
--
-- Says whether a user may open a path of a search.
--
-- Parameters
--     user_id          The user. NULL: a user who opens no path.
--     opener_user_ids  The users who may open a path, sorted, without NULL. NULL: every user.
-- Returns
--     True, or else false or NULL.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     near_members, near_paths, first_users, contact_members, few_members, path_documents, why_no_more
-- Why
--     width_bucket finds a place in a sorted array by halving.
CREATE OR REPLACE FUNCTION connection_paths.user_opens(user_id bigint, opener_user_ids bigint[])
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT user_opens.user_id IS NOT NULL
        AND (
            user_opens.opener_user_ids IS NULL
            OR user_opens.opener_user_ids[width_bucket(user_opens.user_id, user_opens.opener_user_ids)]
            = user_opens.user_id
        );
END;

COMMENT ON FUNCTION connection_paths.user_opens(bigint, bigint[]) IS 'Whether a user may open a path of a search';

REVOKE ALL ON FUNCTION connection_paths.user_opens(bigint, bigint[]) FROM PUBLIC;

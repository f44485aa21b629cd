-- connection_paths.request_openers(seed_scope, viewer_user_id, opener_user_ids)
--
-- Gives the users who may open a path of a search.
--
-- Parameters
--     seed_scope       Who may open a path: 'any' (every user of the collection) or 'importer' (only the viewer).
--     viewer_user_id   The user who asks. Required.
--     opener_user_ids  Only these users open paths. NULL: every user.
-- Returns
--     Their ids, sorted, each once. NULL: every user may open a path.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     find_paths, deep_finder, legacy_finder
-- Why
--     The search then knows one rule about users.
CREATE OR REPLACE FUNCTION connection_paths.request_openers(
    seed_scope text,
    viewer_user_id bigint,
    opener_user_ids bigint[]
)
RETURNS bigint[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT CASE
        WHEN request_openers.opener_user_ids IS NOT NULL
            THEN ARRAY(
                SELECT DISTINCT o.user_id
                FROM unnest(request_openers.opener_user_ids) AS o (user_id)
                WHERE request_openers.seed_scope = 'any' OR o.user_id = request_openers.viewer_user_id
                ORDER BY o.user_id
            )
        WHEN request_openers.seed_scope = 'importer' THEN ARRAY[request_openers.viewer_user_id]
    END;
END;

COMMENT ON FUNCTION connection_paths.request_openers(text, bigint, bigint[]) IS 'The users who may open a path of a search; NULL: every user';

REVOKE ALL ON FUNCTION connection_paths.request_openers(text, bigint, bigint[]) FROM PUBLIC;

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
--     The search then knows one rule about users. The finders do not call this function where it gives NULL.
CREATE OR REPLACE FUNCTION connection_paths.request_openers(
    seed_scope text,
    viewer_user_id bigint,
    opener_user_ids bigint[]
)
RETURNS bigint[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF opener_user_ids IS NULL THEN
        RETURN CASE seed_scope WHEN 'importer' THEN ARRAY[viewer_user_id] END;
    END IF;
    RETURN ARRAY(
        SELECT DISTINCT o.user_id
        FROM unnest(opener_user_ids) AS o (user_id)
        WHERE seed_scope = 'any' OR o.user_id = viewer_user_id
        ORDER BY o.user_id
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.request_openers(text, bigint, bigint[]) IS 'The users who may open a path of a search; NULL: every user';

REVOKE ALL ON FUNCTION connection_paths.request_openers(text, bigint, bigint[]) FROM PUBLIC;

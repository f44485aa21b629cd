-- connection_paths.legacy_paths(...): the paths of find_paths under v1.
--
-- target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope   find_paths', checked
-- excluded_contact_ids  contacts not to be asked, besides those in do_not_ask
-- deadline              when to give up
--
-- Returns
--
-- paths          the first max_paths paths, as find_paths returns them; NULL when there are none
-- number         how many paths were found, max_paths + 1 at most: one more says that there are more
-- is_complete    false when the deadline passed: what was found is right, but paths of two contacts may be missing
-- level_reached  contacts on the longest path that was found; 1 where there is none
--
-- The clock is read before the target's overlaps are worked out, before each colleague is looked up among the members
-- (see legacy_walk), and before each is asked who may open a path.
--
-- Not for applications.
CREATE OR REPLACE FUNCTION connection_paths.legacy_paths(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer,
    max_paths integer,
    seed_scope text,
    excluded_contact_ids bigint[],
    deadline timestamptz,
    OUT paths jsonb,
    OUT number integer,
    OUT is_complete boolean,
    OUT level_reached integer
)
RETURNS record
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    deepest CONSTANT integer := CASE WHEN clock_timestamp() < deadline THEN LEAST(max_depth, 2) ELSE 1 END;
BEGIN
    WITH best AS (
        SELECT
            w.*,
            u.user_ids,
            row_number() OVER (
                ORDER BY w.depth, w.recency DESC, u.user_ids[1] = legacy_paths.viewer_user_id DESC, w.contact_ids
            ) AS position
        FROM connection_paths.legacy_walk(
            legacy_paths.target_contact_id,
            legacy_paths.collection_id,
            legacy_paths.excluded_contact_ids,
            legacy_paths.deadline
        ) AS w
        CROSS JOIN LATERAL (
            SELECT array_agg(o.user_id ORDER BY o.user_id <> legacy_paths.viewer_user_id, o.user_id) AS user_ids
            FROM connection_paths.openers(
                w.contact_ids[1], legacy_paths.collection_id, legacy_paths.viewer_user_id, legacy_paths.seed_scope
            ) AS o
        ) AS u
        WHERE w.depth <= deepest
            AND (w.depth = 1 OR clock_timestamp() < legacy_paths.deadline)
            AND u.user_ids IS NOT NULL
        ORDER BY position
        LIMIT legacy_paths.max_paths + 1
    )
    SELECT
        count(*),
        jsonb_agg(
            connection_paths.path_document(
                b.user_ids,
                b.contact_ids,
                b.recency,
                CASE
                    WHEN b.depth = 2 THEN jsonb_build_array(
                        jsonb_build_object(
                            'from', b.contact_ids[1],
                            'to', b.contact_ids[2],
                            'kind', 'work_overlap',
                            'organization_id', b.organization_id,
                            'date_from', b.date_from,
                            'date_to', b.date_to
                        )
                    )
                END
            )
            ORDER BY b.position
        ) FILTER (WHERE b.position <= legacy_paths.max_paths),
        COALESCE(max(b.depth), 1)
    INTO number, paths, level_reached
    FROM best AS b;

    is_complete := max_depth = 1 OR clock_timestamp() < deadline;
END
$function$;

COMMENT ON FUNCTION connection_paths.legacy_paths(bigint, bigint, bigint, integer, integer, text, bigint[], timestamptz) IS 'Paths of find_paths under v1, straight from work experiences';

REVOKE ALL ON FUNCTION connection_paths.legacy_paths(bigint, bigint, bigint, integer, integer, text, bigint[], timestamptz)
FROM PUBLIC;

-- The meaning of the finders in its plainest form: all chains by recursion, then all paths in order. It is slow around
-- contacts with many edges. With by_chain, a chain counts once, as in find_paths; user_ids then holds all users who open
-- it, the viewer first. Otherwise, a row has one user, as in deep_finder.
CREATE SCHEMA IF NOT EXISTS soak;

CREATE OR REPLACE FUNCTION soak.plain_finder(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer,
    max_paths integer,
    seed_scope text,
    max_edges_per_hop integer,
    order_by text,
    min_strength integer,
    ended_after date,
    via_organization_ids bigint[],
    not_via_organization_ids bigint[],
    opener_user_ids bigint[],
    max_per_introducer integer,
    by_chain boolean
)
RETURNS TABLE (
    depth integer, user_ids bigint[], contact_ids bigint[], organization_ids bigint[], date_froms date[], date_tos date[],
    recency date, strength smallint
)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE chains (depth, contact_ids, organization_ids, date_froms, date_tos, recency, strength, is_capped) AS (
        SELECT
            1, ARRAY[target_contact_id], '{}'::bigint[], '{}'::date[], '{}'::date[], NULL::date, NULL::smallint, c.is_capped
        FROM (VALUES (true), (false)) AS c (is_capped)
        UNION ALL
        SELECT
            c.depth + 1, e.neighbour_id || c.contact_ids, e.organization_id || c.organization_ids,
            e.date_from || c.date_froms, e.date_to || c.date_tos, GREATEST(c.recency, LEAST(e.date_to, current_date)),
            LEAST(c.strength, e.strength), c.is_capped
        FROM chains AS c
        CROSS JOIN LATERAL (
            SELECT b.*
            FROM (
                SELECT DISTINCT ON (n.neighbour_id) n.*
                FROM (
                    SELECT c1.contact_b_id AS neighbour_id, c1.*
                    FROM connection_paths.contact_connections AS c1
                    WHERE c1.contact_a_id = c.contact_ids[1]
                    UNION ALL
                    SELECT c2.contact_a_id, c2.*
                    FROM connection_paths.contact_connections AS c2
                    WHERE c2.contact_b_id = c.contact_ids[1]
                ) AS n
                WHERE (min_strength IS NULL OR n.strength >= min_strength)
                    AND (ended_after IS NULL OR n.date_to IS NULL OR n.date_to >= ended_after)
                    AND (via_organization_ids IS NULL OR n.organization_id = ANY (via_organization_ids))
                    AND (
                        not_via_organization_ids IS NULL
                        OR (n.organization_id = ANY (not_via_organization_ids)) IS NOT TRUE
                    )
                ORDER BY
                    n.neighbour_id, CASE order_by WHEN 'strength' THEN n.strength END DESC, n.date_to DESC NULLS FIRST, n.kind
            ) AS b
            WHERE b.neighbour_id <> ALL (c.contact_ids)
                AND EXISTS (
                    SELECT FROM connection_paths.collection_members AS m
                    WHERE m.collection_id = plain_finder.collection_id AND m.contact_id = b.neighbour_id
                )
                AND NOT EXISTS (
                    SELECT FROM connection_paths.do_not_ask AS d
                    WHERE d.contact_id = b.neighbour_id
                        AND (d.collection_id = plain_finder.collection_id OR d.collection_id IS NULL)
                )
            ORDER BY
                CASE order_by WHEN 'strength' THEN b.strength END DESC, b.date_to DESC NULLS FIRST, b.neighbour_id
            LIMIT CASE WHEN c.is_capped THEN max_edges_per_hop END
        ) AS e
        WHERE c.depth < CASE WHEN c.is_capped THEN max_depth ELSE LEAST(max_depth, 2) END
    ),
    opened AS (
        SELECT c.*, o.user_id
        FROM chains AS c
        CROSS JOIN LATERAL (
            SELECT DISTINCT m.user_id
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = plain_finder.collection_id
                AND m.contact_id = c.contact_ids[1]
                AND (seed_scope = 'any' OR m.user_id = viewer_user_id)
                AND (opener_user_ids IS NULL OR m.user_id = ANY (opener_user_ids))
                AND NOT EXISTS (SELECT FROM connection_paths.do_not_ask_users AS u WHERE u.user_id = m.user_id)
        ) AS o
        WHERE c.is_capped = (c.depth > 2)
    ),
    paths AS (
        SELECT
            o.depth, array_agg(o.user_id ORDER BY o.user_id <> viewer_user_id, o.user_id) AS user_ids, o.contact_ids,
            o.organization_ids, o.date_froms, o.date_tos, o.recency, o.strength,
            CASE WHEN NOT by_chain THEN o.user_id END AS one_user
        FROM opened AS o
        GROUP BY
            o.depth, o.contact_ids, o.organization_ids, o.date_froms, o.date_tos, o.recency, o.strength,
            CASE WHEN NOT by_chain THEN o.user_id END
    ),
    placed AS (
        SELECT
            p.*,
            row_number() OVER (
                ORDER BY
                    p.depth, CASE order_by WHEN 'strength' THEN p.strength END DESC, p.recency DESC,
                    p.user_ids[1] <> viewer_user_id, p.one_user, p.contact_ids
            ) AS place
        FROM paths AS p
    )
    SELECT f.depth, f.user_ids, f.contact_ids, f.organization_ids, f.date_froms, f.date_tos, f.recency, f.strength
    FROM (
        SELECT p.*, row_number() OVER (PARTITION BY p.contact_ids[p.depth - 1] ORDER BY p.place) AS of_introducer
        FROM placed AS p
    ) AS f
    WHERE max_per_introducer IS NULL OR f.depth = 1 OR f.of_introducer <= max_per_introducer
    ORDER BY f.place
    LIMIT max_paths;
END
$function$;

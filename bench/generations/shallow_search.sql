-- generations.shallow_search(...)
--
-- The first three levels of the search of deep_finder_v3, in one statement: either its answer, or what deep_search needs
-- to continue. Only for databases with one kind of edges. The planner inlines it.
CREATE OR REPLACE FUNCTION generations.shallow_search(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer,
    max_found integer,
    seed_scope text,
    max_edges_per_hop integer,
    excluded_contact_ids bigint[],
    ask_everybody boolean,
    by_chain boolean,
    reads_on boolean,
    deadline timestamptz
)
RETURNS TABLE (
    is_answered boolean,
    is_cut boolean,
    level_reached integer,
    chains bigint[],
    recencies date[],
    users bigint[],
    tree_levels integer[],
    tree_contact_ids bigint[],
    tree_via_contact_ids bigint[],
    tree_recencies date[]
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH level_2 AS MATERIALIZED (
        SELECT
            n.neighbour_id AS contact_id,
            LEAST(n.date_to, current_date) AS recency,
            n.user_ids
        FROM generations.near_members(
            shallow_search.target_contact_id,
            shallow_search.collection_id,
            shallow_search.target_contact_id,
            shallow_search.excluded_contact_ids,
            shallow_search.ask_everybody,
            shallow_search.reads_on,
            shallow_search.max_edges_per_hop
        ) AS n
        WHERE shallow_search.max_depth >= 2
    ),
    going_on AS MATERIALIZED (
        SELECT
            level.chains,
            level.is_cut,
            shallow_search.max_depth >= 3
            AND NOT level.is_cut
            AND level.opened < shallow_search.max_found
            AND (
                shallow_search.max_depth = 3
                OR level.chains <= 3
                OR level.opened * COALESCE(shallow_search.max_edges_per_hop, 15) >= shallow_search.max_found
            ) AS to_level_3
        FROM (
            SELECT
                count(*) AS chains,
                count(*) > count(c.contact_id) AS is_cut,
                -- at most: a user may be there twice
                COALESCE(
                    sum(
                        CASE
                            WHEN shallow_search.seed_scope = 'importer'
                                THEN (shallow_search.viewer_user_id = ANY (c.user_ids))::integer
                            WHEN shallow_search.by_chain THEN 1
                            ELSE cardinality(c.user_ids)
                        END
                    ),
                    0
                ) AS opened
            FROM level_2 AS c
        ) AS level
    )
    SELECT
        NOT found.is_cut AND NOT g.is_cut AND (
            found.number >= shallow_search.max_found
            OR shallow_search.max_depth <= 2
            OR g.chains = 0
            OR g.to_level_3 AND (found.level_reached < 3 OR shallow_search.max_depth = 3)
        ),
        found.is_cut OR g.is_cut,
        found.level_reached,
        found.chains,
        found.recencies,
        found.users,
        found.levels,
        found.contact_ids,
        found.via_contact_ids,
        found.all_recencies
    FROM (
        SELECT
            count(*) FILTER (WHERE o.is_opened) AS number,
            array_agg(
                CASE o.level
                    WHEN 1 THEN ARRAY[shallow_search.target_contact_id, NULL, NULL, NULL, NULL, NULL]
                    WHEN 2 THEN ARRAY[o.contact_id, shallow_search.target_contact_id, NULL, NULL, NULL, NULL]
                    ELSE ARRAY[o.contact_id, o.via_contact_id, shallow_search.target_contact_id, NULL, NULL, NULL]
                END
            ) FILTER (WHERE o.is_opened) AS chains,
            array_agg(o.recency) FILTER (WHERE o.is_opened) AS recencies,
            array_agg(o.user_id) FILTER (WHERE o.is_opened) AS users,
            array_agg(o.level) AS levels,
            array_agg(o.contact_id) AS contact_ids,
            array_agg(o.via_contact_id) AS via_contact_ids,
            array_agg(o.recency) AS all_recencies,
            COALESCE(max(o.level), 1) AS level_reached,
            COALESCE(bool_or(o.level = 0), false) AS is_cut
        FROM (
            SELECT DISTINCT ON (o.level, o.recency, is_viewer, user_id, o.contact_id, o.via_contact_id)
                o.level,
                o.recency,
                o.user_id IS NOT NULL AS is_opened,
                o.user_id = shallow_search.viewer_user_id AS is_viewer,
                CASE WHEN NOT shallow_search.by_chain THEN o.user_id END AS user_id,
                o.contact_id,
                o.via_contact_id
            FROM (
                SELECT
                    c.level,
                    c.recency,
                    c.contact_id,
                    c.via_contact_id,
                    unnest(
                        CASE
                            WHEN shallow_search.seed_scope = 'any' AND NOT shallow_search.by_chain THEN c.user_ids
                            WHEN shallow_search.viewer_user_id = ANY (c.user_ids)
                                THEN ARRAY[shallow_search.viewer_user_id]
                            -- anybody opens a chain that counts once
                            WHEN shallow_search.seed_scope = 'any' THEN c.user_ids[:1]
                            WHEN shallow_search.max_depth > 3 OR shallow_search.by_chain THEN ARRAY[NULL::bigint]
                        END
                    ) AS user_id
                FROM (
                    SELECT
                        1 AS level,
                        NULL::date AS recency,
                        shallow_search.target_contact_id AS contact_id,
                        NULL::bigint AS via_contact_id,
                        ARRAY(
                            SELECT m.user_id
                            FROM connection_paths.collection_members AS m
                            WHERE m.collection_id = shallow_search.collection_id
                                AND m.contact_id = shallow_search.target_contact_id
                        ) AS user_ids
                    UNION ALL
                    SELECT 2, c.recency, c.contact_id, NULL AS via_contact_id, c.user_ids
                    FROM level_2 AS c
                    UNION ALL
                    SELECT
                        CASE WHEN n.neighbour_id IS NULL THEN 0 ELSE 3 END, -- 0: its edges are cut; it comes first
                        GREATEST(c.recency, LEAST(n.date_to, current_date)),
                        n.neighbour_id,
                        c.contact_id,
                        COALESCE(n.user_ids, ARRAY[NULL::bigint])
                    FROM (
                        SELECT c.contact_id, c.recency
                        FROM level_2 AS c
                        WHERE shallow_search.deadline IS NULL OR clock_timestamp() < shallow_search.deadline
                        OFFSET 0 -- asked before a contact's edges are read, not of each
                    ) AS c
                    CROSS JOIN LATERAL generations.near_members(
                        c.contact_id,
                        shallow_search.collection_id,
                        shallow_search.target_contact_id,
                        shallow_search.excluded_contact_ids,
                        shallow_search.ask_everybody,
                        shallow_search.reads_on,
                        shallow_search.max_edges_per_hop
                    ) AS n
                    WHERE (SELECT g.to_level_3 FROM going_on AS g)
                ) AS c
            ) AS o
            ORDER BY o.level, o.recency DESC, is_viewer DESC, user_id, o.contact_id, o.via_contact_id
            LIMIT CASE
                WHEN shallow_search.seed_scope = 'any'
                    -- the marks of cut edges come first, and must not displace what is returned at the deadline
                    THEN shallow_search.max_found
                        + CASE WHEN shallow_search.deadline IS NULL THEN 0 ELSE (SELECT g.chains FROM going_on AS g) END
            END
        ) AS o
    ) AS found
    CROSS JOIN going_on AS g;
END;

COMMENT ON FUNCTION generations.shallow_search(bigint, bigint, bigint, integer, integer, text, integer, bigint[], boolean, boolean, boolean, timestamptz) IS 'The first three levels of a search in one statement: its answer, or what it needs to go on';

REVOKE ALL ON FUNCTION generations.shallow_search(bigint, bigint, bigint, integer, integer, text, integer, bigint[], boolean, boolean, boolean, timestamptz)
FROM PUBLIC;

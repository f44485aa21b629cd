-- connection_paths.deep_finder_v3(…): introduction paths level by level, stopping at the first depth that fills the request.
--
-- Arguments, rows, order and errors are those of deep_finder_v2. Depth is the first sort key, so once a depth has been
-- enumerated completely and max_paths rows are found, deeper ones cannot matter.
--
-- A level is kept in parallel arrays, one element a chain: h1 the contact nearest to the user (the head), h2 the next, and
-- so on to the target; unused ones are empty, and an element of an empty array is NULL. To extend a level, each distinct
-- head is expanded once, however many chains it leads: of its most recent edges to members, as many are read as the
-- limit plus those that the chain itself may take away. Then each of its chains takes the first of them that are not on
-- it. Users are looked up once per distinct head too, and organizations and dates for the rows returned only.
--
-- With several kinds a neighbour may come once per kind; its first edge counts (see walk about the limit).
--
-- One plan serves every call (force_generic_plan): planning these statements costs more than running them. No join is
-- left to the planner: every one is a LATERAL probe, which the settings say as well.
CREATE OR REPLACE FUNCTION connection_paths.deep_finder_v3(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer DEFAULT 2,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any',
    max_edges_per_hop integer DEFAULT 15
)
RETURNS TABLE (
    depth integer,
    user_id bigint,
    contact_ids bigint[],
    organization_ids bigint[],
    date_froms date[],
    date_tos date[],
    recency date
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_sort = off
AS $function$
#variable_conflict use_column
DECLARE
    kinds CONSTANT integer := cardinality(enum_range(NULL::connection_paths.connection_kind));
    wanted integer := max_paths;
    found_here integer;
    h1 bigint[] := ARRAY[target_contact_id];
    h2 bigint[] := '{}';
    h3 bigint[] := '{}';
    h4 bigint[] := '{}';
    h5 bigint[] := '{}';
    h6 bigint[] := '{}';
    recencies date[] := '{}';
BEGIN
    PERFORM connection_paths.check_finder_arguments(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop
    );

    FOR level IN 1..max_depth LOOP
        IF level > 1 THEN
            SELECT
                array_agg(n.neighbour_id),
                array_agg(h1[n.chain]),
                array_agg(h2[n.chain]),
                array_agg(h3[n.chain]),
                array_agg(h4[n.chain]),
                array_agg(h5[n.chain]),
                array_agg(GREATEST(recencies[n.chain], LEAST(COALESCE(n.date_to, current_date), current_date)))
            INTO h1, h2, h3, h4, h5, h6, recencies
            FROM (
                SELECT c.head, array_agg(c.chain) AS chains
                FROM unnest(h1) WITH ORDINALITY AS c (head, chain)
                GROUP BY c.head
            ) AS heads
            CROSS JOIN LATERAL (
                SELECT array_agg(e.neighbour_id) AS neighbour_ids, array_agg(e.date_to) AS date_tos
                FROM (
                    SELECT e.neighbour_id, e.date_to
                    FROM connection_paths.member_edges(heads.head, deep_finder_v3.collection_id) AS e
                    ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
                    LIMIT (deep_finder_v3.max_edges_per_hop::bigint + level - 2) * kinds
                ) AS e
            ) AS recent
            CROSS JOIN LATERAL (
                SELECT c.chain, followed.neighbour_id, followed.date_to
                FROM unnest(heads.chains) AS c (chain)
                CROSS JOIN LATERAL (
                    SELECT r.neighbour_id, r.date_to
                    FROM unnest(recent.neighbour_ids, recent.date_tos)
                        WITH ORDINALITY AS r (neighbour_id, date_to, position)
                    WHERE r.neighbour_id IS DISTINCT FROM h2[c.chain]
                        AND r.neighbour_id IS DISTINCT FROM h3[c.chain]
                        AND r.neighbour_id IS DISTINCT FROM h4[c.chain]
                        AND r.neighbour_id IS DISTINCT FROM h5[c.chain]
                        AND (kinds = 1 OR array_position(recent.neighbour_ids, r.neighbour_id) = r.position)
                    LIMIT deep_finder_v3.max_edges_per_hop
                ) AS followed
            ) AS n;
            EXIT WHEN h1 IS NULL;
        END IF;

        RETURN QUERY
        WITH opened AS (
            SELECT o.user_id, c.chain
            FROM (
                SELECT c.head, array_agg(c.chain) AS chains
                FROM unnest(h1) WITH ORDINALITY AS c (head, chain)
                GROUP BY c.head
            ) AS heads
            CROSS JOIN LATERAL connection_paths.openers(
                heads.head,
                deep_finder_v3.collection_id,
                deep_finder_v3.viewer_user_id,
                deep_finder_v3.seed_scope
            ) AS o
            CROSS JOIN LATERAL unnest(heads.chains) AS c (chain)
            ORDER BY
                recencies[c.chain] DESC,
                o.user_id = deep_finder_v3.viewer_user_id DESC,
                o.user_id,
                h1[c.chain], h2[c.chain], h3[c.chain], h4[c.chain], h5[c.chain], h6[c.chain]
            LIMIT wanted
        ),
        paths AS (
            SELECT
                o.user_id,
                (ARRAY[h1[o.chain], h2[o.chain], h3[o.chain], h4[o.chain], h5[o.chain], h6[o.chain]])[:level]
                    AS contact_ids,
                recencies[o.chain] AS recency
            FROM opened AS o
        )
        SELECT
            level,
            p.user_id,
            p.contact_ids,
            COALESCE(hops.organization_ids, '{}'),
            COALESCE(hops.date_froms, '{}'),
            COALESCE(hops.date_tos, '{}'),
            p.recency
        FROM paths AS p
        CROSS JOIN LATERAL (
            SELECT
                array_agg(d.organization_id ORDER BY i.hop) AS organization_ids,
                array_agg(d.date_from ORDER BY i.hop) AS date_froms,
                array_agg(d.date_to ORDER BY i.hop) AS date_tos
            FROM generate_series(1, level - 1) AS i (hop)
            CROSS JOIN LATERAL connection_paths.edge_details(p.contact_ids[i.hop], p.contact_ids[i.hop + 1]) AS d
        ) AS hops
        ORDER BY
            p.recency DESC,
            p.user_id = deep_finder_v3.viewer_user_id DESC,
            p.user_id,
            p.contact_ids;
        GET DIAGNOSTICS found_here = ROW_COUNT;
        wanted := wanted - found_here;
        EXIT WHEN wanted <= 0;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.deep_finder_v3(bigint, bigint, bigint, integer, integer, text, integer) IS 'Third generation of deep_finder: level by level, stops at the first depth that fills the request';

REVOKE ALL ON FUNCTION connection_paths.deep_finder_v3(bigint, bigint, bigint, integer, integer, text, integer) FROM PUBLIC;

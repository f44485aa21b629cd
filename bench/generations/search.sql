-- generations.search(...)
--
-- The whole search of deep_finder_v3: shallow_search where there is one kind of edges, then deep_search where that did
-- not end it.
CREATE OR REPLACE FUNCTION generations.search(
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
    deadline timestamptz,
    OUT chains bigint[],
    OUT recencies date[],
    OUT users bigint[],
    OUT is_complete boolean,
    OUT level_reached integer,
    OUT caps_hit boolean
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
    kinds CONSTANT integer := cardinality(enum_range(NULL::connection_paths.connection_kind));
    shallow record;
    -- what deep_search goes on from: the target, where shallow_search gave nothing
    tree_contact_ids bigint[] := '{}';
    tree_via_contact_ids bigint[]; -- without the target
    tree_parents integer[] := '{}';
    tree_recencies date[] := '{}';
    level_starts integer[] := '{}';
BEGIN
    is_complete := true;
    level_reached := 1;
    caps_hit := false;

    IF kinds = 1 THEN
        IF max_depth <= 3 AND ask_everybody THEN -- a statement each, with less to do than one for all
            SELECT s.*
            INTO shallow
            FROM generations.shallow_search(
                target_contact_id, search.collection_id, search.viewer_user_id, search.max_depth, max_found,
                search.seed_scope, search.max_edges_per_hop, excluded_contact_ids, ask_everybody => true,
                by_chain => by_chain, reads_on => true, deadline => deadline
            ) AS s;
        ELSIF max_depth <= 3 THEN
            SELECT s.*
            INTO shallow
            FROM generations.shallow_search(
                target_contact_id, search.collection_id, search.viewer_user_id, search.max_depth, max_found,
                search.seed_scope, search.max_edges_per_hop, excluded_contact_ids, ask_everybody => false,
                by_chain => by_chain, reads_on => true, deadline => deadline
            ) AS s;
        ELSIF ask_everybody THEN
            SELECT s.*
            INTO shallow
            FROM generations.shallow_search(
                target_contact_id, search.collection_id, search.viewer_user_id, search.max_depth, max_found,
                search.seed_scope, search.max_edges_per_hop, excluded_contact_ids, ask_everybody => true,
                by_chain => by_chain, reads_on => false, deadline => deadline
            ) AS s;
        ELSE
            SELECT s.*
            INTO shallow
            FROM generations.shallow_search(
                target_contact_id, search.collection_id, search.viewer_user_id, search.max_depth, max_found,
                search.seed_scope, search.max_edges_per_hop, excluded_contact_ids, ask_everybody => false,
                by_chain => by_chain, reads_on => false, deadline => deadline
            ) AS s;
        END IF;
        is_complete := deadline IS NULL OR clock_timestamp() < deadline;
        IF NOT shallow.is_cut OR NOT is_complete THEN -- what was found where it was cut is right, too
            level_reached := shallow.level_reached;
            IF by_chain THEN
                caps_hit := EXISTS (
                    SELECT
                    FROM unnest(shallow.tree_levels, shallow.tree_via_contact_ids) AS c (level, via_contact_id)
                    WHERE c.level > 1
                    GROUP BY c.via_contact_id
                    HAVING count(*) >= search.max_edges_per_hop
                );
            END IF;
            IF shallow.is_answered OR NOT is_complete THEN
                chains := shallow.chains[:max_found];
                recencies := shallow.recencies[:max_found];
                users := shallow.users[:max_found];
                RETURN;
            END IF;
            SELECT
                array_agg(c.contact_id),
                array_agg(c.via_contact_id),
                array_agg(c.recency),
                (ARRAY[1, 2, 2 + count(*) FILTER (WHERE c.level = 2)])[:level_reached]
            INTO tree_contact_ids, tree_via_contact_ids, tree_recencies, level_starts
            FROM (
                SELECT DISTINCT c.level, c.contact_id, c.via_contact_id, c.recency
                FROM unnest(
                    shallow.tree_levels, shallow.tree_contact_ids, shallow.tree_via_contact_ids, shallow.tree_recencies
                ) AS c (level, contact_id, via_contact_id, recency)
                WHERE c.level > 1
                ORDER BY c.level, c.contact_id, c.via_contact_id
            ) AS c;
            tree_parents := 0 || ARRAY(
                -- a copy of the array is made once; PL/pgSQL's own would be copied at every look
                SELECT COALESCE(array_position((SELECT tree_contact_ids || '{}'::bigint[]), c.via_contact_id), 0) + 1
                FROM unnest(tree_via_contact_ids) WITH ORDINALITY AS c (via_contact_id, position)
                ORDER BY c.position
            );
            tree_contact_ids := target_contact_id || tree_contact_ids;
            tree_recencies := NULL::date || tree_recencies;
        END IF;
    END IF;

    SELECT d.chains, d.recencies, d.users, d.is_complete, d.level_reached, search.caps_hit OR d.caps_hit
    INTO chains, recencies, users, is_complete, level_reached, caps_hit
    FROM generations.deep_search(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_found, seed_scope, max_edges_per_hop,
        excluded_contact_ids, ask_everybody, by_chain, deadline,
        tree_contact_ids, tree_parents, tree_recencies, level_starts
    ) AS d;
END
$function$;

COMMENT ON FUNCTION generations.search(bigint, bigint, bigint, integer, integer, text, integer, bigint[], boolean, boolean, timestamptz) IS 'Search for introduction paths level by level: a tree of chains, and which of them were found';

REVOKE ALL ON FUNCTION generations.search(bigint, bigint, bigint, integer, integer, text, integer, bigint[], boolean, boolean, timestamptz)
FROM PUBLIC;

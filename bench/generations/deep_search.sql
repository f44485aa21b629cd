-- generations.deep_search(...)
--
-- The search of deep_finder_v3, one level a statement, from the target or from where shallow_search stopped. It stops
-- after the first level that fills the request. Where members are few and the edges of the last level were many, it
-- hashes all members instead of looking each neighbour up.
CREATE OR REPLACE FUNCTION generations.deep_search(
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
    tree_contact_ids bigint[],
    tree_parents integer[],
    tree_recencies date[],
    level_starts integer[],
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
    -- a chain can be found once, or once for each user who opens it: hardly ever more than eight
    openers_at_most CONSTANT integer := CASE WHEN by_chain OR seed_scope = 'importer' THEN 1 ELSE 8 END;
    -- until when chains are made of what was read before the deadline
    last_minute CONSTANT timestamptz := deadline + (deadline - clock_timestamp()) / 4;

    -- how members are recognised
    few_edges CONSTANT bigint := 4 * COALESCE(max_edges_per_hop, 15)::bigint * kinds; -- to read of a contact
    -- of the contacts of the level before: edges read of each, on average; how many led to max_edges_per_hop members
    measured double precision[];
    edges_each double precision;
    worth_hashing bigint; -- members
    members bigint[]; -- of the collection, hashed; NULL: look them up
    wanted_edges bigint; -- to members, of a contact

    -- what contacts lead to, once members are hashed: a row of wanted_edges for each
    known_contacts bigint[] := '{}'; -- in order
    known_rows integer[] := '{}'; -- of each
    known_neighbours bigint[] := '{}';
    known_date_tos date[] := '{}';
    new_contacts bigint[];
    new_neighbours bigint[];
    new_date_tos date[];

    found_chains integer[] := '{}';
    found_users bigint[] := '{}';

    -- the level at hand
    is_last boolean;
    is_exhausted boolean := false;
    are_all_unopened boolean; -- chains of the last level: they were looked at, and not made
    level_contacts bigint[] := ARRAY[target_contact_id];
    level_parents integer[] := ARRAY[0];
    level_recencies date[] := ARRAY[NULL::date];
    first_unopened integer := 1; -- the first chain of which nobody asked who opens it
    unopened bigint[]; -- the contacts at the front of those
    opened_chains integer[];
    opened_users bigint[];
BEGIN
    is_complete := true;
    level_reached := GREATEST(1, cardinality(level_starts));
    caps_hit := false;
    IF level_reached > 1 THEN
        level_contacts := tree_contact_ids[level_starts[level_reached]:];
    END IF;

    FOR level IN cardinality(level_starts) + 1..max_depth LOOP
        IF level > 1 THEN
            is_last := level = max_depth AND seed_scope = 'importer';
            IF members IS NULL AND edges_each > few_edges THEN
                worth_hashing := LEAST(
                    100000,
                    2 * edges_each
                    * (SELECT count(DISTINCT c.contact_id) FROM unnest(level_contacts) AS c (contact_id))
                );
                members := ARRAY(
                    SELECT m.contact_id
                    FROM connection_paths.collection_members AS m
                    WHERE m.collection_id = deep_search.collection_id
                    LIMIT worth_hashing + 1
                );
                IF cardinality(members) > worth_hashing THEN
                    members := NULL;
                ELSIF NOT ask_everybody THEN
                    members := ARRAY(
                        SELECT m.contact_id
                        FROM generations.introducers AS m
                        WHERE m.collection_id = deep_search.collection_id
                            AND m.may_be_asked
                            AND (
                                excluded_contact_ids[
                                    width_bucket(m.contact_id, (SELECT excluded_contact_ids || '{}'::bigint[]))
                                ] = m.contact_id
                            ) IS NOT TRUE
                    );
                END IF;
            END IF;

            -- what is remembered must do for deeper levels too
            wanted_edges := CASE WHEN members IS NULL THEN level ELSE max_depth END - 2;
            wanted_edges := (max_edges_per_hop + wanted_edges) * kinds;

            -- around hubs a contact is met again level after level, and reading its edges is most of the work
            IF members IS NOT NULL AND wanted_edges <= 1000 THEN
                SELECT
                    array_agg(front.contact_id),
                    array_agg(r.neighbour_ids || array_fill(NULL::bigint, ARRAY[wanted_edges::integer - r.number])),
                    array_agg(r.date_tos || array_fill(NULL::date, ARRAY[wanted_edges::integer - r.number]))
                INTO new_contacts, new_neighbours, new_date_tos
                FROM (
                    SELECT c.contact_id
                    FROM (
                        SELECT DISTINCT c.contact_id FROM unnest(level_contacts) AS c (contact_id) OFFSET 0
                    ) AS c
                    WHERE (deadline IS NULL OR clock_timestamp() < deadline)
                        AND (
                            known_contacts[width_bucket(c.contact_id, (SELECT known_contacts || '{}'::bigint[]))]
                            = c.contact_id
                        ) IS NOT TRUE
                    OFFSET 0
                ) AS front
                CROSS JOIN LATERAL (
                    SELECT
                        array_agg(e.neighbour_id) AS neighbour_ids,
                        array_agg(e.date_to) AS date_tos,
                        count(*)::integer AS number
                    FROM (
                        SELECT e.neighbour_id, e.date_to
                        FROM (
                            SELECT e.neighbour_id, e.date_to
                            FROM generations.recent_edges(front.contact_id) AS e
                            ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
                            OFFSET 0 -- the members are hashed once, not for either end of the edges
                        ) AS e
                        WHERE (e.neighbour_id IN (SELECT m.contact_id FROM unnest(members) AS m (contact_id))) IS TRUE
                        ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
                        LIMIT wanted_edges
                    ) AS e
                ) AS r;
                known_neighbours := known_neighbours || new_neighbours;
                known_date_tos := known_date_tos || new_date_tos;
                SELECT
                    COALESCE(array_agg(k.contact_id ORDER BY k.contact_id), '{}'),
                    COALESCE(array_agg(k.place ORDER BY k.contact_id), '{}')
                INTO known_contacts, known_rows
                FROM (
                    SELECT k.contact_id, k.place
                    FROM unnest(known_contacts, known_rows) AS k (contact_id, place)
                    UNION ALL
                    SELECT c.contact_id, cardinality(known_contacts) + c.place::integer
                    FROM unnest(new_contacts) WITH ORDINALITY AS c (contact_id, place)
                ) AS k;
            END IF;

            WITH expanded AS MATERIALIZED (
                SELECT front.contact_id, front.known, front.chains, recent.*
                FROM (
                    SELECT
                        c.contact_id,
                        CASE
                            WHEN known_contacts[width_bucket(c.contact_id, (SELECT known_contacts || '{}'::bigint[]))]
                                = c.contact_id
                                THEN known_rows[width_bucket(c.contact_id, (SELECT known_contacts || '{}'::bigint[]))]
                        END AS known,
                        array_agg(level_starts[level - 1] + c.position::integer - 1) AS chains
                    FROM unnest(level_contacts) WITH ORDINALITY AS c (contact_id, position)
                    GROUP BY c.contact_id
                    HAVING deadline IS NULL OR clock_timestamp() < deadline
                ) AS front
                CROSS JOIN LATERAL (
                    SELECT
                        CASE
                            WHEN front.known IS NULL THEN array_agg(e.neighbour_id)
                            ELSE ARRAY(
                                SELECT known_neighbours[front.known][i.position]
                                FROM generate_series(1, wanted_edges) AS i (position)
                            )
                        END AS neighbour_ids,
                        CASE
                            WHEN front.known IS NULL THEN array_agg(e.date_to)
                            ELSE ARRAY(
                                SELECT known_date_tos[front.known][i.position]
                                FROM generate_series(1, wanted_edges) AS i (position)
                            )
                        END AS date_tos,
                        max(e.edges_read) AS edges_read
                    FROM generations.recent_members(
                        front.contact_id,
                        deep_search.collection_id,
                        excluded_contact_ids,
                        ask_everybody,
                        tree_contact_ids,
                        wanted_edges
                    ) AS e
                    WHERE front.known IS NULL
                ) AS recent
            ),
            openable AS MATERIALIZED (
                SELECT c.contact_id
                FROM (SELECT DISTINCT unnest(e.neighbour_ids) AS contact_id FROM expanded AS e) AS c
                CROSS JOIN LATERAL generations.openers(
                    c.contact_id, deep_search.collection_id, deep_search.viewer_user_id, 'importer'
                ) AS o
            )
            SELECT
                array_agg(n.contact_id),
                array_agg(n.parent),
                array_agg(
                    GREATEST(tree_recencies[n.parent], LEAST(n.date_to, current_date))
                ),
                (
                    SELECT ARRAY[
                        avg(e.edges_read)::double precision,
                        -- the target is on every chain, and may be no member
                        count((array_remove(e.neighbour_ids, target_contact_id))[deep_search.max_edges_per_hop])
                    ]
                    FROM expanded AS e
                ),
                is_last AND count(*) = 0 AND EXISTS (
                    SELECT
                    FROM expanded AS e
                    CROSS JOIN LATERAL unnest(e.chains) AS c (number)
                    CROSS JOIN LATERAL unnest(e.neighbour_ids) AS n (contact_id)
                    WHERE n.contact_id <> ALL (generations.chain_contacts(tree_contact_ids, tree_parents, c.number))
                )
            INTO level_contacts, level_parents, level_recencies, measured, are_all_unopened
            FROM (
                SELECT followed.neighbour_id AS contact_id, chain.number AS parent, followed.date_to
                FROM (
                    SELECT e.chains, e.neighbour_ids, e.date_tos
                    FROM expanded AS e
                    WHERE NOT is_last OR EXISTS (
                        SELECT
                        FROM unnest(e.neighbour_ids) AS n (contact_id)
                        WHERE (n.contact_id IN (SELECT o.contact_id FROM openable AS o)) IS TRUE
                        OFFSET 0
                    )
                    OFFSET 0
                ) AS e
                CROSS JOIN LATERAL (
                    SELECT c.number, generations.chain_contacts(tree_contact_ids, tree_parents, c.number) AS contact_ids
                    FROM unnest(e.chains) AS c (number)
                    WHERE last_minute IS NULL OR clock_timestamp() < last_minute
                    OFFSET 0
                ) AS chain
                CROSS JOIN LATERAL (
                    SELECT r.neighbour_id, r.date_to
                    FROM (
                        SELECT
                            unnest(e.neighbour_ids) AS neighbour_id,
                            unnest(e.date_tos) AS date_to,
                            generate_subscripts(e.neighbour_ids, 1) AS position
                    ) AS r
                    WHERE r.neighbour_id <> ALL (chain.contact_ids)
                        AND (kinds = 1 OR array_position(e.neighbour_ids, r.neighbour_id) = r.position)
                    LIMIT deep_search.max_edges_per_hop
                ) AS followed
                WHERE NOT is_last OR followed.neighbour_id IN (SELECT o.contact_id FROM openable AS o)
                ORDER BY contact_id, parent
            ) AS n;

            is_complete := deadline IS NULL OR clock_timestamp() < deadline;
            is_exhausted := level_contacts IS NULL;
            edges_each := measured[1];
            caps_hit := caps_hit OR measured[2] > 0;
            level_reached := CASE WHEN is_exhausted AND NOT are_all_unopened THEN level_reached ELSE level END;
        END IF;
        IF NOT is_exhausted THEN
            level_starts := level_starts || cardinality(tree_contact_ids) + 1;
            tree_contact_ids := tree_contact_ids || level_contacts;
            tree_parents := tree_parents || level_parents;
            tree_recencies := tree_recencies || level_recencies;
        END IF;

        -- who opens a chain is asked when there are chains enough to end the search
        unopened := tree_contact_ids[first_unopened:];
        IF is_exhausted OR NOT is_complete OR level = max_depth
            OR cardinality(unopened) * openers_at_most >= max_found - cardinality(found_chains)
        THEN
            SELECT array_agg(o.chain), array_agg(o.user_id)
            INTO opened_chains, opened_users
            FROM (
                SELECT o.contact_id, o.user_id, c.chain
                FROM (
                    SELECT c.contact_id, c.recency, first_unopened + c.position::integer - 1 AS chain
                    FROM unnest(unopened, tree_recencies[first_unopened:])
                        WITH ORDINALITY AS c (contact_id, recency, position)
                ) AS c
                -- FULL, because it is hashed whatever the planner believes of the arrays' lengths
                FULL JOIN (
                    SELECT
                        c.contact_id,
                        CASE WHEN NOT by_chain THEN o.user_id END AS user_id,
                        bool_or(o.user_id = deep_search.viewer_user_id) AS is_viewer
                    FROM (SELECT DISTINCT c.contact_id FROM unnest(unopened) AS c (contact_id)) AS c
                    -- one look-up each: as = ANY (unopened), PostgreSQL 15 may read the whole collection and filter
                    CROSS JOIN LATERAL generations.openers(
                        c.contact_id, deep_search.collection_id, deep_search.viewer_user_id, deep_search.seed_scope
                    ) AS o
                    GROUP BY 1, 2
                ) AS o ON o.contact_id = c.contact_id
                ORDER BY
                    o.contact_id IS NULL,
                    width_bucket(c.chain, level_starts),
                    c.recency DESC,
                    o.is_viewer DESC,
                    o.user_id,
                    c.chain
                LIMIT max_found - cardinality(found_chains)
            ) AS o
            WHERE o.contact_id IS NOT NULL;
            found_chains := found_chains || opened_chains;
            found_users := found_users || opened_users;
            first_unopened := cardinality(tree_contact_ids) + 1;
        END IF;
        EXIT WHEN is_exhausted OR NOT is_complete OR cardinality(found_chains) >= max_found;
    END LOOP;

    SELECT
        array_agg(p.contact_ids || array_fill(NULL::bigint, ARRAY[6 - cardinality(p.contact_ids)])),
        array_agg(p.recency)
    INTO chains, recencies
    FROM (
        SELECT
            generations.chain_contacts(tree_contact_ids, tree_parents, f.chain) AS contact_ids,
            tree_recencies[f.chain] AS recency
        FROM unnest(found_chains) WITH ORDINALITY AS f (chain, position)
        ORDER BY f.position
    ) AS p;
    users := found_users;
END
$function$;

COMMENT ON FUNCTION generations.deep_search(bigint, bigint, bigint, integer, integer, text, integer, bigint[], boolean, boolean, timestamptz, bigint[], integer[], date[], integer[]) IS 'Search for introduction paths level by level, from a tree of chains';

REVOKE ALL ON FUNCTION generations.deep_search(bigint, bigint, bigint, integer, integer, text, integer, bigint[], boolean, boolean, timestamptz, bigint[], integer[], date[], integer[])
FROM PUBLIC;

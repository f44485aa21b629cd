CREATE OR REPLACE FUNCTION connection_paths.next_contacts(
    request connection_paths.search_request,
    level integer,
    missing integer,
    tree_contacts bigint[],
    tree_parents integer[],
    tree_recencies date[],
    open_chains integer[],
    INOUT members bigint[],
    INOUT of_viewer bigint[],
    INOUT has_all_members boolean,
    INOUT share double precision,
    OUT contacts bigint[],
    OUT parents integer[],
    OUT recencies date[],
    OUT places bigint[],
    OUT is_reached boolean,
    OUT is_cut boolean
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
    kinds CONSTANT integer := CASE
        WHEN request.given_edges IS NULL THEN cardinality(enum_range(NULL::connection_paths.connection_kind))
        ELSE 1
    END;
    is_importer CONSTANT boolean := request.seed_scope = 'importer';
    only_openers CONSTANT boolean := is_importer AND level > 2 AND level = request.max_depth;
    -- at the target everybody counts; elsewhere the first few: some may be on a chain already, and one more than the
    -- cap shows that somebody is cut
    cap CONSTANT integer := CASE WHEN level > 2 THEN request.max_edges_per_hop END;
    wanted CONSTANT bigint := (cap::bigint + level - 1) * kinds;
    -- until when chains are made of what was read before the deadline
    last_minute CONSTANT timestamptz := request.deadline + (request.deadline - clock_timestamp()) / 4;
    edges_each bigint := CASE
        WHEN level = 2 THEN GREATEST(connection_paths.search_limit('first_edges'), missing)
        ELSE (wanted + 1.5 * sqrt(wanted * (1 - share))) / share + 2
    END;
    chains integer[] := open_chains;
    only_viewer boolean := false;
    front bigint[];
    lookups bigint;
    near record;
    added record;
BEGIN
    is_reached := false;
    is_cut := false;
    LOOP
        lookups := cardinality(chains) * COALESCE(edges_each, 10000);
        IF NOT has_all_members AND share < 0.06 AND lookups > connection_paths.search_limit('looked_up') THEN
            SELECT w.members, w.of_viewer
            INTO near
            FROM connection_paths.whole_collection(
                request.collection_id, request.viewer_user_id, request.excluded_contact_ids, request.ask_everybody,
                LEAST(lookups / 2, connection_paths.search_limit('most_hashed'))
            ) AS w;
            IF near.members IS NOT NULL THEN
                members := near.members;
                of_viewer := near.of_viewer;
                has_all_members := true;
            END IF;
        END IF;
        IF has_all_members THEN
            edges_each := NULL;
            SELECT NULL::bigint[] AS unread, NULL::bigint AS edges_read, NULL::date AS read_to INTO near;
        ELSE
            front := ARRAY(SELECT DISTINCT tree_contacts[c.number] FROM unnest(chains) AS c (number));
            SELECT n.members, n.of_viewer, n.unread, n.edges_read, n.read_to
            INTO near
            FROM connection_paths.members_near(
                front,
                edges_each, request.given_edges, request.collection_id, request.viewer_user_id, only_viewer,
                request.excluded_contact_ids, request.ask_everybody, request.deadline
            ) AS n;
            members := members || near.members;
            of_viewer := of_viewer || near.of_viewer;
            EXIT WHEN members = '{}' AND near.unread IS NULL;
        END IF;

        SELECT
            array_agg(x.contact_id) FILTER (WHERE x.is_kept) AS contacts,
            array_agg(x.parent) FILTER (WHERE x.is_kept) AS parents,
            array_agg(x.recency) FILTER (WHERE x.is_kept) AS recencies,
            array_agg(x.place) FILTER (WHERE x.is_kept) AS places,
            count(x.place) AS number,
            count(*) FILTER (WHERE x.is_opened) AS opened,
            count(*) FILTER (WHERE x.is_opened AND x.recency > near.read_to) AS certain,
            COALESCE(bool_or(x.place > request.max_edges_per_hop), false) AS is_cut,
            array_agg(x.parent) FILTER (WHERE x.is_unfinished) AS unfinished,
            avg(x.number) FILTER (WHERE x.is_unfinished) / edges_each AS share
        INTO added
        FROM (
            SELECT x.*, x.place <= COALESCE(cap, x.place) AND (x.is_opened OR NOT only_openers) AS is_kept
            FROM connection_paths.extended_chains(
                tree_contacts, tree_parents, tree_recencies, chains, members,
                CASE WHEN is_importer THEN of_viewer END, near.unread, wanted, edges_each, cap, kinds,
                request.given_edges, request.deadline, last_minute
            ) AS x
            UNION ALL
            SELECT c.contact_id, c.parent, c.recency, c.place, true, false, 0, true
            FROM unnest(contacts, parents, recencies, places) AS c (contact_id, parent, recency, place)
            WHERE level > 2 -- of the target all edges are read again
            ORDER BY contact_id, parent
        ) AS x;
        contacts := added.contacts;
        parents := added.parents;
        recencies := added.recencies;
        places := added.places;
        is_reached := is_reached OR added.number > 0;
        is_cut := is_cut OR added.is_cut AND request.max_depth > 2;
        EXIT WHEN clock_timestamp() >= request.deadline;

        IF level > 2 THEN
            EXIT WHEN added.unfinished IS NULL;
            -- where few had to be read on, the next depth begins as this one did
            IF cardinality(added.unfinished) * 5 > cardinality(open_chains) THEN
                share := GREATEST(added.share, 0.0001);
            END IF;
            edges_each := GREATEST(4 * edges_each, (wanted * 1.5) / GREATEST(added.share, 0.0001));
            chains := added.unfinished;
        ELSE
            IF NOT only_viewer AND near.edges_read > 0 THEN
                share := GREATEST(added.number::double precision / near.edges_read, 0.0001);
            END IF;
            EXIT WHEN near.unread IS NULL OR added.certain >= missing;
            only_viewer := is_importer AND (request.max_depth = 2 OR COALESCE(added.number > request.max_edges_per_hop, false));
            edges_each := CASE
                WHEN added.opened = 0 THEN 16 * edges_each
                ELSE GREATEST(4 * edges_each, 1.3 * missing * near.edges_read / added.opened)
            END;
        END IF;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.next_contacts(connection_paths.search_request, integer, integer, bigint[], integer[], date[], integer[], bigint[], bigint[], boolean, double precision) IS 'The chains of the next depth of a search';

REVOKE ALL ON FUNCTION connection_paths.next_contacts(connection_paths.search_request, integer, integer, bigint[], integer[], date[], integer[], bigint[], bigint[], boolean, double precision)
FROM PUBLIC;

-- connection_paths.next_contacts(request, contact_ids, missing, list_contacts, list_numbers, list_neighbours,
--     list_recencies, known_contacts, known_users, all_members, share)
--
-- Adds to what a search knows the members to whom some contacts lead.
--
-- Parameters
--     request          What is asked, already checked. Required.
--     contact_ids      The contacts, each once: the target, or contacts from whom the search goes on.
--     missing          For the target: how many paths are missing. NULL: the contacts are not the target.
--     list_contacts    The contacts whose lists are known.
--     list_numbers     How many members each list has.
--     list_neighbours  The lists, one after the other.
--     list_recencies   The recency of each edge of the lists.
--     known_contacts   Members who may be asked, as far as looked up.
--     known_users      The user of each of them.
--     all_members      All members who may be asked; NULL: not read.
--     share            The share of edges that lead to members, as last seen; NULL: not known.
-- Returns
--     The same arrays with the new lists.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search
-- Why
--     This function decides how many edges to read, and whether to look members up or to read the whole collection.
--     The list of the target is complete in its first part: every member who can open a path at least as recent as
--     the last wanted one. Elsewhere a list has the cap, and as many members more as a chain itself can take away,
--     and one more, which shows that the cap leaves somebody out.
CREATE OR REPLACE FUNCTION connection_paths.next_contacts(
    request connection_paths.search_request,
    contact_ids bigint[],
    missing integer,
    INOUT list_contacts bigint[],
    INOUT list_numbers bigint[],
    INOUT list_neighbours bigint[],
    INOUT list_recencies date[],
    INOUT known_contacts bigint[],
    INOUT known_users bigint[],
    INOUT all_members bigint[],
    INOUT share double precision
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
    cap CONSTANT bigint := request.max_edges_per_hop;
    wanted CONSTANT bigint := CASE WHEN missing IS NULL THEN (cap + request.max_depth - 1) * kinds END;
    edges_each bigint := COALESCE(missing * 5 / 4 + 16, (wanted + 2) * (1.3 - 0.3 * share) / share);
    pending bigint[] := contact_ids;
    only_user_id bigint;
    lookups bigint;
    near record;
    done boolean;
    opened bigint;
    certain bigint;
BEGIN
    IF all_members IS NOT NULL THEN
        edges_each := NULL;
    END IF;
    LOOP
        lookups := cardinality(pending) * COALESCE(edges_each, 10000);
        IF all_members IS NULL AND share < 0.06 AND lookups > connection_paths.search_limit('looked_up') THEN
            SELECT array_agg(w.contact_id)
            INTO all_members
            FROM connection_paths.whole_collection(
                request.collection_id, request.excluded_contact_ids, request.ask_everybody,
                LEAST(lookups / 2, connection_paths.search_limit('most_hashed'))
            ) AS w;
            IF all_members IS NOT NULL THEN
                edges_each := NULL;
            END IF;
        END IF;
        SELECT l.*
        INTO near
        FROM connection_paths.member_lists(
            pending, edges_each, wanted, all_members, known_contacts, kinds, request.given_edges,
            request.collection_id, only_user_id, request.excluded_contact_ids, request.ask_everybody, request.deadline
        ) AS l;
        known_contacts := known_contacts || near.found_contacts;
        known_users := known_users || near.found_users;

        opened := 0;
        done := missing IS NULL OR near.read_to IS NULL;
        IF NOT done AND near.neighbours IS NOT NULL THEN
            -- with several kinds a neighbour may be there several times
            SELECT count(DISTINCT n.contact_id), count(DISTINCT n.contact_id) FILTER (WHERE n.recency > near.read_to)
            INTO opened, certain
            FROM unnest(near.neighbours, near.recencies) AS n (contact_id, recency)
            WHERE NOT is_importer OR n.contact_id IN (
                SELECT k.contact_id
                FROM unnest(known_contacts, known_users) AS k (contact_id, user_id)
                WHERE k.user_id = request.viewer_user_id
            );
            done := certain >= missing;
        END IF;
        IF missing IS NOT NULL AND all_members IS NULL AND only_user_id IS NULL THEN
            share := GREATEST(near.share, 0.0001);
        END IF;
        IF done THEN
            list_contacts := list_contacts || near.contacts;
            list_numbers := list_numbers || near.numbers;
            list_neighbours := list_neighbours || near.neighbours;
            list_recencies := list_recencies || near.recencies;
        END IF;
        EXIT WHEN done AND near.unfinished IS NULL OR clock_timestamp() >= request.deadline;

        IF missing IS NULL THEN
            -- where few had to be read on, the next depth begins as this one did
            IF cardinality(near.unfinished) * 5 > cardinality(contact_ids) THEN
                share := GREATEST(near.share, 0.0001);
            END IF;
            edges_each := GREATEST(4 * edges_each, wanted * 1.5 / GREATEST(near.share, 0.0001));
            pending := near.unfinished;
        ELSE
            IF is_importer AND (request.max_depth = 2 OR cardinality(near.neighbours) > cap * kinds) THEN
                only_user_id := request.viewer_user_id;
            END IF;
            IF opened >= missing AND near.read_to < current_date THEN
                edges_each := edges_each + 1 + (
                    SELECT t.number FROM connection_paths.tied_edges(request.target_contact_id, near.read_to) AS t
                );
            ELSE
                edges_each := CASE opened
                    WHEN 0 THEN 12 * edges_each
                    ELSE GREATEST(4 * edges_each, 1.3 * missing * near.edges_read / opened)
                END;
            END IF;
        END IF;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.next_contacts(connection_paths.search_request, bigint[], integer, bigint[], bigint[], bigint[], date[], bigint[], bigint[], bigint[], double precision) IS 'Adds to what a search knows the members to whom some contacts lead';

REVOKE ALL ON FUNCTION connection_paths.next_contacts(connection_paths.search_request, bigint[], integer, bigint[], bigint[], bigint[], date[], bigint[], bigint[], bigint[], double precision)
FROM PUBLIC;

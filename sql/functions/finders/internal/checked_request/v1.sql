-- connection_paths.checked_request(target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope,
--     max_edges_per_hop, order_by, kinds, min_strength, ended_after, via_organization_ids,
--     not_via_organization_ids, opener_user_ids, max_per_introducer)
--
-- Checks the arguments that all finders share, and makes a search request of them.
--
-- Parameters
--     target_contact_id         The contact to be introduced to. Required; an unknown id gives an empty answer.
--     collection_id             The collection whose members may be asked. Required; an unknown id gives an empty
--                               answer.
--     viewer_user_id            The user who asks. Required.
--     max_depth                 The most contacts on a path, 1 to 6.
--     max_paths                 The most paths to return, 1 to 1,000.
--     seed_scope                Who may open a path: 'any' (every user of the collection) or 'importer' (only the
--                               viewer).
--     max_edges_per_hop         Through how many best edges of a contact the search goes on, 1 or more. NULL: all.
--     order_by                  Which edges and paths are the best: 'recency' or 'strength'.
--     kinds                     Only edges of these kinds. NULL: every kind.
--     min_strength              Only edges of at least this strength, 0 to 100. NULL: every edge.
--     ended_after               Only edges that go on, or end on this day or later. NULL: every edge.
--     via_organization_ids      Only edges of these organizations, 1 to 1,000 of them. NULL: every edge.
--     not_via_organization_ids  No edge of these organizations, at most 1,000 of them. NULL: every edge.
--     opener_user_ids           Only these users open paths, 1 to 1,000 of them. NULL: every user.
--     max_per_introducer        How many paths may have the same contact before the target, 1 or more. NULL: any
--                               number.
-- Returns
--     The request. It has no excluded contacts, no deadline and no given edges, and counts a chain once for each user
--     who can open it (by_chain is false). find_paths and legacy_finder change that.
-- Errors
--     22004  An argument is NULL that must not be, or a list has a NULL element; the message names the argument and the
--            hint says what is allowed.
--     22023  An argument is outside its range; the message names it and the hint says what is allowed.
-- Reads
--     do_not_ask, do_not_ask_users, introduction_limits
-- Writes
--     none
-- Used by
--     find_paths, deep_finder, legacy_finder
-- Why
--     PL/pgSQL prepares an expression again in each transaction, and the time depends on its length. So the arguments
--     that are NULL in most calls are checked in a block of their own: called alone, this function takes 69 instead of
--     100 us.
--     Most collections have no rule about who may be asked. The request says so, and then the finders check no member.
--     With OFFSET 0, each of these tables is looked up once. Otherwise the planner would repeat a look-up at each place
--     that uses its result.
CREATE OR REPLACE FUNCTION connection_paths.checked_request(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer,
    max_paths integer,
    seed_scope text,
    max_edges_per_hop integer,
    order_by text,
    kinds text[],
    min_strength integer,
    ended_after date,
    via_organization_ids bigint[],
    not_via_organization_ids bigint[],
    opener_user_ids bigint[],
    max_per_introducer integer
)
RETURNS connection_paths.search_request
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    -- the first argument that is wrong: its name, its value, what is allowed, and what NULL means where it is allowed
    wrong text[] := CASE
        WHEN target_contact_id IS NULL THEN ARRAY['target_contact_id', NULL, 'the id of a contact']
        WHEN collection_id IS NULL THEN ARRAY['collection_id', NULL, 'the id of a collection']
        WHEN viewer_user_id IS NULL THEN ARRAY['viewer_user_id', NULL, 'the id of the user who asks']
        WHEN (max_depth BETWEEN 1 AND connection_paths.search_limit('deepest')) IS NOT TRUE
            THEN ARRAY['max_depth', max_depth::text, 'from 1 to ' || connection_paths.search_limit('deepest')]
        WHEN (max_paths BETWEEN 1 AND connection_paths.search_limit('most_paths')) IS NOT TRUE
            THEN ARRAY['max_paths', max_paths::text, 'from 1 to ' || connection_paths.search_limit('most_paths')]
        WHEN (seed_scope IN ('any', 'importer')) IS NOT TRUE
            THEN ARRAY['seed_scope', quote_literal(seed_scope), 'any or importer']
        WHEN max_edges_per_hop < 1
            THEN ARRAY['max_edges_per_hop', max_edges_per_hop::text, '1 or more', 'no limit']
        WHEN (order_by IN ('recency', 'strength')) IS NOT TRUE
            THEN ARRAY['order_by', quote_literal(order_by), 'recency or strength']
    END;
    openers bigint[] := CASE WHEN seed_scope = 'importer' THEN ARRAY[viewer_user_id] END;
    most_listed integer;
    list_with_null text;
BEGIN
    IF NOT (
        kinds, min_strength, via_organization_ids, not_via_organization_ids, opener_user_ids, max_per_introducer
    ) IS NULL THEN
        list_with_null := CASE
            WHEN num_nulls(VARIADIC kinds) > 0 THEN 'kinds'
            WHEN num_nulls(VARIADIC via_organization_ids) > 0 THEN 'via_organization_ids'
            WHEN num_nulls(VARIADIC not_via_organization_ids) > 0 THEN 'not_via_organization_ids'
            WHEN num_nulls(VARIADIC opener_user_ids) > 0 THEN 'opener_user_ids'
        END;
        IF list_with_null IS NOT NULL THEN
            RAISE EXCEPTION '% must not hold a null', list_with_null
                USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the whole argument as NULL for no filter.';
        END IF;
        most_listed := connection_paths.search_limit('most_listed');
        wrong := CASE
            WHEN wrong IS NOT NULL THEN wrong
            WHEN kinds = '{}' OR NOT kinds <@ enum_range(NULL::connection_paths.connection_kind)::text[]
                THEN ARRAY['kinds', kinds::text, 'some of ' || enum_range(NULL::connection_paths.connection_kind)::text,
                    'every kind']
            WHEN min_strength NOT BETWEEN 0 AND 100
                THEN ARRAY['min_strength', min_strength::text, 'from 0 to 100', 'every edge']
            WHEN cardinality(via_organization_ids) NOT BETWEEN 1 AND most_listed
                THEN ARRAY['via_organization_ids', cardinality(via_organization_ids)::text,
                    '1 to ' || most_listed || ' ids', 'every edge']
            WHEN cardinality(not_via_organization_ids) > most_listed
                THEN ARRAY['not_via_organization_ids', cardinality(not_via_organization_ids)::text,
                    'at most ' || most_listed || ' ids', 'every edge']
            WHEN cardinality(opener_user_ids) NOT BETWEEN 1 AND most_listed
                THEN ARRAY['opener_user_ids', cardinality(opener_user_ids)::text,
                    '1 to ' || most_listed || ' ids', 'every user']
            WHEN max_per_introducer < 1
                THEN ARRAY['max_per_introducer', max_per_introducer::text, '1 or more', 'no limit']
        END;
    END IF;
    IF wrong[2] IS NOT NULL THEN
        RAISE EXCEPTION '% must be %, not %', wrong[1], wrong[3], wrong[2]
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Allowed: ' || wrong[3] || COALESCE(', or NULL for ' || wrong[4], '') || '.';
    ELSIF wrong IS NOT NULL THEN
        RAISE EXCEPTION '% must not be null', wrong[1]
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Allowed: ' || wrong[3] || '.';
    END IF;
    IF opener_user_ids IS NOT NULL THEN
        openers := ARRAY(
            SELECT DISTINCT o.user_id
            FROM unnest(opener_user_ids) AS o (user_id)
            WHERE seed_scope = 'any' OR o.user_id = viewer_user_id
            ORDER BY o.user_id
        );
    END IF;
    RETURN (
        SELECT ROW(
            target_contact_id, collection_id, viewer_user_id, max_depth, max_paths,
            NOT a.has_refusals AND NOT a.has_limits, a.has_limits, false,
            NOT (kinds, min_strength, ended_after, via_organization_ids, not_via_organization_ids) IS NULL,
            openers,
            NULLIF(ARRAY(SELECT u.user_id FROM connection_paths.do_not_ask_users AS u ORDER BY u.user_id), '{}'),
            max_edges_per_hop, max_per_introducer, order_by, seed_scope, kinds::connection_paths.connection_kind[],
            min_strength, ended_after, via_organization_ids, not_via_organization_ids, '{}', NULL, NULL
        )::connection_paths.search_request
        FROM (
            SELECT
                EXISTS (SELECT FROM connection_paths.do_not_ask AS d WHERE d.collection_id IS NULL)
                OR EXISTS (
                    SELECT FROM connection_paths.do_not_ask AS d WHERE d.collection_id = checked_request.collection_id
                ) AS has_refusals,
                EXISTS (
                    SELECT FROM connection_paths.introduction_limits AS l
                    WHERE l.collection_id = checked_request.collection_id OR l.collection_id IS NULL
                ) AS has_limits
            OFFSET 0
        ) AS a
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.checked_request(bigint, bigint, bigint, integer, integer, text, integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer) IS 'The request of a search; raises 22004 or 22023, naming the argument, for what no finder accepts';

REVOKE ALL ON FUNCTION connection_paths.checked_request(bigint, bigint, bigint, integer, integer, text, integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer)
FROM PUBLIC;

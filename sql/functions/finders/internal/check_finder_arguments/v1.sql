-- connection_paths.check_finder_arguments(target_contact_id, collection_id, viewer_user_id, max_depth, max_paths,
--     seed_scope, max_edges_per_hop)
--
-- Checks the arguments that all finders share.
--
-- Parameters
--     target_contact_id  The contact to be introduced to. Required; an unknown id gives an empty answer.
--     collection_id      The collection whose members may be asked. Required; an unknown id gives an empty answer.
--     viewer_user_id     The user who asks. Required.
--     max_depth          The most contacts on a path, 1 to 6.
--     max_paths          The most paths to return, 1 to 1,000.
--     seed_scope         Who may open a path: 'any' (every user of the collection) or 'importer' (only the viewer).
--     max_edges_per_hop  Through how many best edges of a contact the search goes on, 1 or more. NULL: all.
-- Returns
--     True. It never returns false.
-- Errors
--     22004  An argument is NULL; the message names it and the hint says what is allowed.
--     22023  An argument is outside its range; the message names it and the hint says what is allowed.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     find_paths, deep_finder, legacy_finder
-- Why
--     It returns a value so that a caller can use it in an expression. PERFORM is a query, which takes 2.5 us
--     longer.
CREATE OR REPLACE FUNCTION connection_paths.check_finder_arguments(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer,
    max_paths integer,
    seed_scope text,
    max_edges_per_hop integer
)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    deepest CONSTANT integer := connection_paths.search_limit('deepest');
    most_paths CONSTANT integer := connection_paths.search_limit('most_paths');
    wrong record;
BEGIN
    -- the usual case in one expression, the naming only where something is wrong
    IF target_contact_id IS NOT NULL AND collection_id IS NOT NULL AND viewer_user_id IS NOT NULL
        AND max_depth BETWEEN 1 AND deepest AND max_paths BETWEEN 1 AND most_paths
        AND seed_scope IN ('any', 'importer') AND (max_edges_per_hop IS NULL OR max_edges_per_hop >= 1)
    THEN
        RETURN true;
    END IF;

    SELECT a.name, a.given, a.wanted, a.hint
    INTO wrong
    FROM (
        VALUES
            (1, 'target_contact_id', target_contact_id::text, true, NULL, 'Give the id of a contact.'),
            (2, 'collection_id', collection_id::text, true, NULL, 'Give the id of a collection.'),
            (3, 'viewer_user_id', viewer_user_id::text, true, NULL, 'Give the id of the user who asks.'),
            (4, 'max_depth', max_depth::text, max_depth BETWEEN 1 AND deepest,
                'from 1 to ' || deepest, 'Allowed are 1 to ' || deepest || '.'),
            (5, 'max_paths', max_paths::text, max_paths BETWEEN 1 AND most_paths,
                'from 1 to ' || most_paths, 'Allowed are 1 to ' || most_paths || '.'),
            (6, 'seed_scope', quote_literal(seed_scope), seed_scope IN ('any', 'importer'),
                'any or importer', 'Allowed are ''any'' and ''importer''.'),
            (7, 'max_edges_per_hop', COALESCE(max_edges_per_hop, 1)::text, max_edges_per_hop >= 1,
                '1 or more', 'Allowed are 1 and more, or NULL for no limit.')
    ) AS a (position, name, given, is_allowed, wanted, hint)
    WHERE a.given IS NULL OR NOT a.is_allowed
    ORDER BY a.given IS NOT NULL, a.position
    LIMIT 1;
    IF wrong.given IS NULL THEN
        RAISE EXCEPTION '% must not be null', wrong.name
            USING ERRCODE = 'null_value_not_allowed', HINT = wrong.hint;
    END IF;
    RAISE EXCEPTION '% must be %, not %', wrong.name, wrong.wanted, wrong.given
        USING ERRCODE = 'invalid_parameter_value', HINT = wrong.hint;
END
$function$;

COMMENT ON FUNCTION connection_paths.check_finder_arguments(bigint, bigint, bigint, integer, integer, text, integer) IS 'True, or raises 22004 or 22023, naming the argument, for what no finder accepts';

REVOKE ALL ON FUNCTION connection_paths.check_finder_arguments(bigint, bigint, bigint, integer, integer, text, integer)
FROM PUBLIC;

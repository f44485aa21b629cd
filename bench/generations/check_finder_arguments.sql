-- generations.check_finder_arguments(...)
--
-- Returns true when the arguments of a finder are allowed, and raises an error for the first one that is not.
CREATE OR REPLACE FUNCTION generations.check_finder_arguments(
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
    name text;
    allowed text;
BEGIN
    -- the usual case in one expression, the naming only where something is wrong
    IF target_contact_id IS NOT NULL AND collection_id IS NOT NULL AND viewer_user_id IS NOT NULL
        AND max_depth BETWEEN 1 AND 6 AND max_paths BETWEEN 1 AND 1000
        AND seed_scope IN ('any', 'importer') AND (max_edges_per_hop IS NULL OR max_edges_per_hop >= 1)
    THEN
        RETURN true;
    END IF;

    SELECT a.name, a.allowed
    INTO name, allowed
    FROM (
        VALUES
            (1, 'target_contact_id', target_contact_id IS NULL, 'Give the id of a contact.'),
            (2, 'collection_id', collection_id IS NULL, 'Give the id of a collection.'),
            (3, 'viewer_user_id', viewer_user_id IS NULL, 'Give the id of the user who asks.'),
            (4, 'max_depth', max_depth IS NULL, 'Allowed are 1 to 6.'),
            (5, 'max_paths', max_paths IS NULL, 'Allowed are 1 to 1000.'),
            (6, 'seed_scope', seed_scope IS NULL, 'Allowed are ''any'' and ''importer''.')
    ) AS a (position, name, is_missing, allowed)
    WHERE a.is_missing
    ORDER BY a.position
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% must not be null', name
            USING ERRCODE = 'null_value_not_allowed', HINT = allowed;
    END IF;

    IF max_depth NOT BETWEEN 1 AND 6 THEN
        RAISE EXCEPTION 'max_depth must be from 1 to 6, not %', max_depth
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Allowed are 1 to 6.';
    ELSIF max_paths NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'max_paths must be from 1 to 1000, not %', max_paths
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Allowed are 1 to 1000.';
    ELSIF seed_scope NOT IN ('any', 'importer') THEN
        RAISE EXCEPTION 'seed_scope must be any or importer, not %', quote_literal(seed_scope)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Allowed are ''any'' and ''importer''.';
    ELSE
        RAISE EXCEPTION 'max_edges_per_hop must be 1 or more, not %', max_edges_per_hop
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Allowed are 1 and more, or NULL for no limit.';
    END IF;
END
$function$;

COMMENT ON FUNCTION generations.check_finder_arguments(bigint, bigint, bigint, integer, integer, text, integer) IS 'True, or raises 22004 or 22023, naming the argument, for what no finder accepts';

REVOKE ALL ON FUNCTION generations.check_finder_arguments(bigint, bigint, bigint, integer, integer, text, integer)
FROM PUBLIC;

-- connection_paths.stored_pairs(contact_ids, neighbour_ids)
--
-- Gives the edges of some pairs of contacts, as they are stored.
--
-- Parameters
--     contact_ids    One contact of each pair. Required.
--     neighbour_ids  The other contact of each pair. Required.
-- Returns
--     One row per pair and kind, in no order. There may be rows of other pairs of the same contacts, too.
--     contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
--     earlier_days, people
--         The columns of contact_connections.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     pair_edges, path_hops
-- Why
--     One query asks only the shards of the smaller contacts of the pairs.
CREATE OR REPLACE FUNCTION connection_paths.stored_pairs(contact_ids bigint[], neighbour_ids bigint[])
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
    kind connection_paths.connection_kind,
    strength smallint,
    shared_organizations smallint,
    organization_id bigint,
    date_from date,
    date_to date,
    earlier_days integer,
    people integer
)
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 25
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = auto -- Citus cannot plan a statement whose parameters it does not know
AS $function$
#variable_conflict use_column
DECLARE
    smaller_ids bigint[];
    greater_ids bigint[];
BEGIN
    SELECT array_agg(DISTINCT LEAST(p.one, p.other)), array_agg(DISTINCT GREATEST(p.one, p.other))
    INTO smaller_ids, greater_ids
    FROM unnest(contact_ids, neighbour_ids) AS p (one, other);
    RETURN QUERY
    SELECT
        c.contact_a_id, c.contact_b_id, c.kind, c.strength, c.shared_organizations, c.organization_id, c.date_from,
        c.date_to, c.earlier_days, c.people
    FROM connection_paths.contact_connections AS c
    WHERE c.contact_a_id = ANY (smaller_ids) AND c.contact_b_id = ANY (greater_ids);
END
$function$;

COMMENT ON FUNCTION connection_paths.stored_pairs(bigint[], bigint[]) IS 'The edges of some pairs of contacts, as they are stored';

REVOKE ALL ON FUNCTION connection_paths.stored_pairs(bigint[], bigint[]) FROM PUBLIC;

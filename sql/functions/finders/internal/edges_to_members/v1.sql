CREATE OR REPLACE FUNCTION connection_paths.edges_to_members(
    contact_id bigint,
    members bigint[],
    most bigint,
    edges_each bigint,
    kinds integer,
    given_edges connection_paths.given_edge[]
)
RETURNS TABLE (neighbour_ids bigint[], recencies date[], number bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT array_agg(e.neighbour_id), array_agg(LEAST(e.date_to, current_date)), count(*)
    FROM (
        SELECT e.neighbour_id, e.date_to
        FROM connection_paths.contact_edges(
            edges_to_members.contact_id, edges_to_members.edges_each, edges_to_members.given_edges
        ) AS e
        WHERE (e.neighbour_id IN (SELECT m.contact_id FROM unnest(edges_to_members.members) AS m (contact_id))) IS TRUE
            AND (
                edges_to_members.kinds = 1
                OR NOT EXISTS (
                    SELECT
                    FROM connection_paths.better_edge(edges_to_members.contact_id, e.neighbour_id, e.date_to)
                    OFFSET 0
                )
            )
        LIMIT edges_to_members.most
    ) AS e;
END;

COMMENT ON FUNCTION connection_paths.edges_to_members(bigint, bigint[], bigint, bigint, integer, connection_paths.given_edge[]) IS 'The best edges of a contact that lead to some members, as arrays';

REVOKE ALL ON FUNCTION connection_paths.edges_to_members(bigint, bigint[], bigint, bigint, integer, connection_paths.given_edge[])
FROM PUBLIC;

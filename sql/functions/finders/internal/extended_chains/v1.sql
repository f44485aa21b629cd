CREATE OR REPLACE FUNCTION connection_paths.extended_chains(
    tree_contacts bigint[],
    tree_parents integer[],
    tree_recencies date[],
    chains integer[],
    list_contacts bigint[],
    list_numbers bigint[],
    list_neighbours bigint[],
    list_recencies date[],
    most bigint,
    kinds integer,
    last_minute timestamptz
)
RETURNS TABLE (contact_id bigint, parent integer, recency date, place bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT
        extended_chains.list_neighbours[n.position],
        c.number,
        GREATEST(extended_chains.tree_recencies[c.number], extended_chains.list_recencies[n.position]),
        n.place
    FROM (
        SELECT
            c.number,
            l.first,
            l.last,
            connection_paths.chain_contacts(
                extended_chains.tree_contacts, extended_chains.tree_parents, c.number
            ) AS contact_ids
        FROM unnest(extended_chains.chains) AS c (number)
        JOIN (
            SELECT
                l.contact_id,
                sum(l.number) OVER (ROWS UNBOUNDED PRECEDING)::integer - l.number::integer + 1 AS first,
                sum(l.number) OVER (ROWS UNBOUNDED PRECEDING)::integer AS last
            FROM unnest(extended_chains.list_contacts, extended_chains.list_numbers) AS l (contact_id, number)
        ) AS l ON l.contact_id = extended_chains.tree_contacts[c.number]
        WHERE extended_chains.last_minute IS NULL OR clock_timestamp() < extended_chains.last_minute
        OFFSET 0
    ) AS c
    CROSS JOIN LATERAL (
        SELECT r.position, row_number() OVER () AS place
        FROM (SELECT generate_series(c.first, c.last) AS position) AS r
        WHERE extended_chains.list_neighbours[r.position] <> ALL (c.contact_ids)
            AND (
                extended_chains.kinds = 1
                OR r.position = c.first
                OR extended_chains.list_neighbours[r.position] <> extended_chains.list_neighbours[r.position - 1]
            )
        LIMIT extended_chains.most
    ) AS n;
END;

COMMENT ON FUNCTION connection_paths.extended_chains(bigint[], integer[], date[], integer[], bigint[], bigint[], bigint[], date[], bigint, integer, timestamptz) IS 'Chains made longer by the members that their first contacts lead to';

REVOKE ALL ON FUNCTION connection_paths.extended_chains(bigint[], integer[], date[], integer[], bigint[], bigint[], bigint[], date[], bigint, integer, timestamptz)
FROM PUBLIC;

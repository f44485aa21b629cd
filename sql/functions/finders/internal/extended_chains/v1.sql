CREATE OR REPLACE FUNCTION connection_paths.extended_chains(
    tree_contacts bigint[],
    tree_parents integer[],
    tree_recencies date[],
    chains integer[],
    members bigint[],
    openers bigint[],
    unread bigint[],
    wanted bigint,
    edges_each bigint,
    cap integer,
    kinds integer,
    given_edges connection_paths.given_edge[],
    deadline timestamptz,
    last_minute timestamptz
)
RETURNS TABLE (
    contact_id bigint,
    parent integer,
    recency date,
    place bigint,
    is_opened boolean,
    is_unfinished boolean,
    number bigint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT
        n.neighbour_id,
        c.number,
        GREATEST(extended_chains.tree_recencies[c.number], n.recency),
        n.place,
        extended_chains.openers IS NULL
            OR (n.neighbour_id IN (SELECT o.contact_id FROM unnest(extended_chains.openers) AS o (contact_id))) IS TRUE,
        l.is_unfinished,
        l.number
    FROM (
        SELECT
            f.chains,
            e.neighbour_ids,
            e.recencies,
            e.number,
            (e.number < extended_chains.wanted AND f.contact_id = ANY (extended_chains.unread)) IS TRUE AS is_unfinished
        FROM (
            SELECT
                extended_chains.tree_contacts[c.number] AS contact_id,
                array_agg(c.number) AS chains
            FROM unnest(extended_chains.chains) AS c (number)
            GROUP BY 1
            HAVING extended_chains.deadline IS NULL OR clock_timestamp() < extended_chains.deadline
        ) AS f
        CROSS JOIN LATERAL connection_paths.edges_to_members(
            f.contact_id,
            extended_chains.members,
            extended_chains.wanted,
            extended_chains.edges_each,
            extended_chains.kinds,
            extended_chains.given_edges
        ) AS e
        OFFSET 0
    ) AS l
    CROSS JOIN LATERAL (
        SELECT
            c.number,
            connection_paths.chain_contacts(
                extended_chains.tree_contacts, extended_chains.tree_parents, c.number
            ) AS contact_ids
        FROM unnest(l.chains) AS c (number)
        WHERE extended_chains.last_minute IS NULL OR clock_timestamp() < extended_chains.last_minute
        OFFSET 0
    ) AS c
    LEFT JOIN LATERAL (
        SELECT r.neighbour_id, r.recency, row_number() OVER () AS place
        FROM (
            SELECT
                unnest(l.neighbour_ids) AS neighbour_id,
                unnest(l.recencies) AS recency,
                generate_subscripts(l.neighbour_ids, 1) AS position
        ) AS r
        WHERE NOT l.is_unfinished
            AND r.neighbour_id <> ALL (c.contact_ids)
            AND (
                extended_chains.kinds = 1
                OR r.neighbour_id IS DISTINCT FROM l.neighbour_ids[r.position - 1]
            )
        LIMIT extended_chains.cap::bigint + 1
    ) AS n ON true
    WHERE n.neighbour_id IS NOT NULL OR l.is_unfinished;
END;

COMMENT ON FUNCTION connection_paths.extended_chains(bigint[], integer[], date[], integer[], bigint[], bigint[], bigint[], bigint, bigint, integer, integer, connection_paths.given_edge[], timestamptz, timestamptz) IS 'Chains made longer by the members that their first contacts lead to';

REVOKE ALL ON FUNCTION connection_paths.extended_chains(bigint[], integer[], date[], integer[], bigint[], bigint[], bigint[], bigint, bigint, integer, integer, connection_paths.given_edge[], timestamptz, timestamptz)
FROM PUBLIC;

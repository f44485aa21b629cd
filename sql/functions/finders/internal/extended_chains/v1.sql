-- connection_paths.extended_chains(tree_contacts, tree_parents, tree_recencies, chains, list_contacts,
--     list_numbers, list_neighbours, list_recencies, cap, is_complete, kinds, last_minute)
--
-- Makes chains longer by the members that their first contacts lead to.
--
-- Parameters
--     tree_contacts    The first contact of each chain of the tree.
--     tree_parents     The rest of each chain, itself a chain.
--     tree_recencies   The recency of each chain.
--     chains           The chains to make longer.
--     list_contacts    The contacts whose lists are known.
--     list_numbers     How many members each list has.
--     list_neighbours  The lists, one after the other, the best edge first.
--     list_recencies   The recency of each edge of the lists.
--     cap              From how many longer chains of one chain the search goes on. NULL: all.
--     is_complete      True: make all longer chains. False: only those from which the search goes on.
--     kinds            How many kinds of edges there are.
--     last_minute      No chain is made longer after this time. NULL: never.
-- Returns
--     One row; the arrays are sorted by the contacts of the chains, and NULL when there is no longer chain.
--     contacts   The first contact of each longer chain.
--     parents    The chain that each makes longer.
--     recencies  The recency of each.
--     goes_on    Whether the search goes on from it.
--     is_cut     True when the cap leaves out some chain.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search
CREATE OR REPLACE FUNCTION connection_paths.extended_chains(
    tree_contacts bigint[],
    tree_parents integer[],
    tree_recencies date[],
    chains integer[],
    list_contacts bigint[],
    list_numbers bigint[],
    list_neighbours bigint[],
    list_recencies date[],
    cap bigint,
    is_complete boolean,
    kinds integer,
    last_minute timestamptz
)
RETURNS TABLE (
    contacts bigint[],
    parents integer[],
    recencies date[],
    goes_on boolean[],
    is_cut boolean
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        array_agg(x.contact_id) FILTER (WHERE x.is_kept),
        array_agg(x.parent) FILTER (WHERE x.is_kept),
        array_agg(x.recency) FILTER (WHERE x.is_kept),
        array_agg(x.goes_on) FILTER (WHERE x.is_kept),
        COALESCE(bool_or(NOT x.goes_on), false)
    FROM (
        SELECT
            extended_chains.list_neighbours[n.position] AS contact_id,
            c.number AS parent,
            GREATEST(extended_chains.tree_recencies[c.number], extended_chains.list_recencies[n.position]) AS recency,
            (n.place <= extended_chains.cap) IS NOT FALSE AS goes_on,
            extended_chains.is_complete OR (n.place <= extended_chains.cap) IS NOT FALSE AS is_kept
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
            LIMIT CASE WHEN NOT extended_chains.is_complete THEN extended_chains.cap + 1 END
        ) AS n
        ORDER BY contact_id, parent
    ) AS x;
END;

COMMENT ON FUNCTION connection_paths.extended_chains(bigint[], integer[], date[], integer[], bigint[], bigint[], bigint[], date[], bigint, boolean, integer, timestamptz) IS 'Chains made longer by the members that their first contacts lead to';

REVOKE ALL ON FUNCTION connection_paths.extended_chains(bigint[], integer[], date[], integer[], bigint[], bigint[], bigint[], date[], bigint, boolean, integer, timestamptz)
FROM PUBLIC;

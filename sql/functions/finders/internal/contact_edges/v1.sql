-- connection_paths.contact_edges(contact_id, request, by_strength, is_filtered, is_weak)
--
-- Gives the edges of a contact, the best first.
--
-- Parameters
--     contact_id   The contact.
--     request      What is asked, already checked. Where it has given_edges, these are used instead of the edge table.
--     by_strength  False: the latest last day comes first (going on before all), then the smaller neighbour. True: the
--                  strongest edge comes first, then the same. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
--     is_weak      By strength, false gives the edges of strength 30 and more, and true all others, which come after
--                  these. A constant.
-- Returns
--     One row per edge. A pair with edges of several kinds comes several times.
--     neighbour_id  The contact at the other end.
--     date_to       The last day of the edge; NULL: it goes on.
--     strength      The strength of the edge; NULL where the order is by recency.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     search, near_members, contact_members, few_members, count_around_target
-- Why
--     The planner inlines this function and merges idx_cc_walk_a and idx_cc_walk_b, both index-only. It stops after
--     the last row that the caller needs. Each arm states its order itself: the planner does not see that the first
--     column of the index is constant within an arm, and would sort every edge of a hub.
--     The planner removes what the constants make superfluous. So one text gives several plans. By strength, the plan
--     merges idx_cc_strong_a and idx_cc_strong_b, which hold a third of the edges; it sorts the weak edges of a contact
--     only where the strong ones are not enough. With filters, the plan reads the table, too
--     (docs/adr/0018-strong-edges-are-indexed.md).
--     With pair_edges this is all that reads the edge table for a search.
CREATE OR REPLACE FUNCTION connection_paths.contact_edges(
    contact_id bigint,
    request connection_paths.search_request,
    by_strength boolean,
    is_filtered boolean,
    is_weak boolean
)
RETURNS TABLE (neighbour_id bigint, date_to date, strength smallint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT e.neighbour_id, e.date_to, e.strength
    FROM (
        (
            SELECT
                c.contact_b_id AS neighbour_id, c.date_to, CASE WHEN contact_edges.by_strength THEN c.strength END AS strength
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_a_id = CASE
                    WHEN (contact_edges.request).given_edges IS NULL THEN contact_edges.contact_id
                END
                AND CASE
                    WHEN NOT contact_edges.by_strength THEN true
                    WHEN contact_edges.is_weak THEN c.strength < 30
                    ELSE c.strength >= 30
                END
                AND (
                    NOT contact_edges.is_filtered
                    OR connection_paths.edge_passes(
                        contact_edges.request, c.kind, c.strength, c.date_to, c.organization_id
                    )
                )
            ORDER BY
                CASE WHEN contact_edges.by_strength THEN c.strength END DESC, c.date_to DESC NULLS FIRST, c.contact_b_id
        )
        UNION ALL
        (
            SELECT
                c.contact_a_id AS neighbour_id, c.date_to, CASE WHEN contact_edges.by_strength THEN c.strength END AS strength
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_b_id = CASE
                    WHEN (contact_edges.request).given_edges IS NULL THEN contact_edges.contact_id
                END
                AND CASE
                    WHEN NOT contact_edges.by_strength THEN true
                    WHEN contact_edges.is_weak THEN c.strength < 30
                    ELSE c.strength >= 30
                END
                AND (
                    NOT contact_edges.is_filtered
                    OR connection_paths.edge_passes(
                        contact_edges.request, c.kind, c.strength, c.date_to, c.organization_id
                    )
                )
            ORDER BY
                CASE WHEN contact_edges.by_strength THEN c.strength END DESC, c.date_to DESC NULLS FIRST, c.contact_a_id
        )
        UNION ALL
        (
            SELECT o.neighbour_id, o.date_to, CASE WHEN contact_edges.by_strength THEN o.strength END
            FROM unnest((contact_edges.request).given_edges) AS o
            WHERE (contact_edges.request).given_edges IS NOT NULL -- otherwise not even sorted
                AND (NOT contact_edges.by_strength OR (o.strength < 30) = contact_edges.is_weak)
                AND (
                    NOT contact_edges.is_filtered
                    OR connection_paths.edge_passes(
                        contact_edges.request, 'work_overlap', o.strength, o.date_to, o.organization_id
                    )
                )
            ORDER BY
                CASE WHEN contact_edges.by_strength THEN o.strength END DESC, o.date_to DESC NULLS FIRST, o.neighbour_id
        )
    ) AS e
    ORDER BY
        CASE WHEN contact_edges.by_strength THEN e.strength END DESC, e.date_to DESC NULLS FIRST, e.neighbour_id;
END;

COMMENT ON FUNCTION connection_paths.contact_edges(bigint, connection_paths.search_request, boolean, boolean, boolean) IS 'The best edges of a contact, from either end, read from indexes in order';

REVOKE ALL ON FUNCTION connection_paths.contact_edges(bigint, connection_paths.search_request, boolean, boolean, boolean)
FROM PUBLIC;

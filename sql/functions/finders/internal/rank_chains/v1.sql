-- connection_paths.rank_chains(contact_ids, recencies, member_ids, user_ids, viewer_user_id, seed_scope, by_chain,
--     most)
--
-- Gives the best chains of one depth, with the users who open them.
--
-- Parameters
--     contact_ids     The first contact of each chain, the chains sorted by their contacts.
--     recencies       The recency of each chain.
--     member_ids      Members, several times where several users brought one in.
--     user_ids        The user of each of them.
--     viewer_user_id  The user who asks. Required.
--     seed_scope      Who may open a path: 'any' (every user of the collection) or 'importer' (only the viewer).
--     by_chain        True: a chain counts once. False: once for each user who opens it.
--     most            How many to return at most.
-- Returns
--     One row per chain, or per chain and user, the best first.
--     number   The place of the chain in contact_ids.
--     user_id  The user; NULL where a chain counts once.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search
-- Why
--     This is the only place that knows the order of paths of one depth: recency, the viewer first, user, contacts.
CREATE OR REPLACE FUNCTION connection_paths.rank_chains(
    contact_ids bigint[],
    recencies date[],
    member_ids bigint[],
    user_ids bigint[],
    viewer_user_id bigint,
    seed_scope text,
    by_chain boolean,
    most bigint
)
RETURNS TABLE (number bigint, user_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
BEGIN ATOMIC
    WITH best AS MATERIALIZED (
        SELECT c.number, c.contact_id, c.recency
        FROM unnest(rank_chains.contact_ids, rank_chains.recencies) WITH ORDINALITY AS c (contact_id, recency, number)
        WHERE rank_chains.seed_scope = 'any'
            OR c.contact_id IN (
                SELECT m.contact_id
                FROM unnest(rank_chains.member_ids, rank_chains.user_ids) AS m (contact_id, user_id)
                WHERE m.user_id = rank_chains.viewer_user_id
            )
        ORDER BY c.recency DESC
        FETCH FIRST (rank_chains.most) ROWS WITH TIES
    ),
    openers AS (
        SELECT
            m.contact_id,
            CASE WHEN NOT rank_chains.by_chain THEN m.user_id END AS user_id,
            bool_or(m.user_id = rank_chains.viewer_user_id) AS is_viewer
        FROM unnest(rank_chains.member_ids, rank_chains.user_ids) AS m (contact_id, user_id)
        WHERE (m.contact_id IN (SELECT b.contact_id FROM best AS b)) IS TRUE
            AND (rank_chains.seed_scope = 'any' OR m.user_id = rank_chains.viewer_user_id)
        GROUP BY 1, 2
    )
    SELECT b.number, o.user_id
    FROM best AS b
    JOIN openers AS o ON o.contact_id = b.contact_id
    ORDER BY b.recency DESC, o.is_viewer DESC, o.user_id, b.number
    LIMIT rank_chains.most;
END;

COMMENT ON FUNCTION connection_paths.rank_chains(bigint[], date[], bigint[], bigint[], bigint, text, boolean, bigint) IS 'The best chains of one depth and who opens them: the one place that knows the order of paths';

REVOKE ALL ON FUNCTION connection_paths.rank_chains(bigint[], date[], bigint[], bigint[], bigint, text, boolean, bigint)
FROM PUBLIC;

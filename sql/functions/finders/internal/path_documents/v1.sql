-- connection_paths.path_documents(tree_contacts, tree_parents, contacts, parents, recencies, collection_id,
--     viewer_user_id, seed_scope, given_edges)
--
-- Gives the paths that a search found as the JSON array of find_paths.
--
-- Parameters
--     tree_contacts   The search's.
--     tree_parents    The search's.
--     contacts        The search's.
--     parents         The search's.
--     recencies       The search's.
--     collection_id   The collection whose members may be asked. Required; an unknown id gives an empty answer.
--     viewer_user_id  The user who asks. Required.
--     seed_scope      Who may open a path: 'any' (every user of the collection) or 'importer' (only the viewer).
--     given_edges     Edges of the target to use instead of the edge table. NULL: the edge table.
-- Returns
--     One row.
--     documents  A JSON array with one object per chain, the best first; NULL when no chain was found.
-- Errors
--     none
-- Reads
--     introducers
-- Writes
--     none
-- Used by
--     find_paths
CREATE OR REPLACE FUNCTION connection_paths.path_documents(
    tree_contacts bigint[],
    tree_parents integer[],
    contacts bigint[],
    parents integer[],
    recencies date[],
    collection_id bigint,
    viewer_user_id bigint,
    seed_scope text,
    given_edges connection_paths.given_edge[]
)
RETURNS TABLE (documents jsonb)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT jsonb_agg(
        jsonb_build_object(
            'depth', cardinality(p.contact_ids),
            'user_ids', u.user_ids,
            'contact_ids', p.contact_ids,
            'recency', p.recency,
            'hops', COALESCE(h.hops, '[]')
        )
        ORDER BY p.position
    )
    FROM (
        SELECT
            f.position,
            connection_paths.chain_contacts(
                f.contact_id, path_documents.tree_contacts, path_documents.tree_parents, f.parent
            ) AS contact_ids,
            f.recency
        FROM unnest(path_documents.contacts, path_documents.parents, path_documents.recencies)
            WITH ORDINALITY AS f (contact_id, parent, recency, position)
        OFFSET 0
    ) AS p
    CROSS JOIN LATERAL (
        SELECT array_agg(o.user_id ORDER BY o.user_id <> path_documents.viewer_user_id, o.user_id) AS user_ids
        FROM (
            SELECT DISTINCT m.user_id
            FROM connection_paths.introducers AS m
            WHERE m.collection_id = path_documents.collection_id
                AND m.contact_id = p.contact_ids[1]
                AND m.user_id IS NOT NULL
                AND (path_documents.seed_scope = 'any' OR m.user_id = path_documents.viewer_user_id)
        ) AS o
    ) AS u
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(
            jsonb_build_object(
                'from', p.contact_ids[i.hop],
                'to', p.contact_ids[i.hop + 1],
                'kind', e.kind,
                'organization_id', e.organization_id,
                'date_from', e.date_from,
                'date_to', e.date_to
            )
            ORDER BY i.hop
        ) AS hops
        FROM generate_series(1, cardinality(p.contact_ids) - 1) AS i (hop)
        CROSS JOIN LATERAL connection_paths.edge_details(
            p.contact_ids[i.hop], p.contact_ids[i.hop + 1], path_documents.given_edges
        ) AS e
    ) AS h;
END;

COMMENT ON FUNCTION connection_paths.path_documents(bigint[], integer[], bigint[], integer[], date[], bigint, bigint, text, connection_paths.given_edge[]) IS 'The paths that a search found, as find_paths returns them';

REVOKE ALL ON FUNCTION connection_paths.path_documents(bigint[], integer[], bigint[], integer[], date[], bigint, bigint, text, connection_paths.given_edge[])
FROM PUBLIC;

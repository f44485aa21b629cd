-- connection_paths.path_documents(request, tree_contacts, tree_parents, contacts, parents, recencies, with_names,
--     ids_as_text)
--
-- Gives the paths that a search found as the JSON array of find_paths.
--
-- Parameters
--     request        What is asked, already checked. Required.
--     tree_contacts  The first contact of each chain of the tree that search returned.
--     tree_parents   The rest of each chain, itself a chain; 0 for the target alone.
--     contacts       The first contact of each path, the best path first.
--     parents        The rest of each path, a chain of the tree; 0 where the target is the first contact.
--     recencies      The recency of each path; NULL at depth 1.
--     with_names     True: with the names of contacts, organizations and, where mapped, users.
--     ids_as_text    True: every id is a string.
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
    request connection_paths.search_request,
    tree_contacts bigint[],
    tree_parents integer[],
    contacts bigint[],
    parents integer[],
    recencies date[],
    with_names boolean,
    ids_as_text boolean
)
RETURNS TABLE (documents jsonb)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT CASE
        WHEN path_documents.with_names OR path_documents.ids_as_text
            THEN connection_paths.displayed_paths(a.documents, path_documents.with_names, path_documents.ids_as_text)
        ELSE a.documents
    END
    FROM (
        SELECT jsonb_agg(
            jsonb_build_object(
                'depth', cardinality(p.contact_ids),
                'user_ids', u.user_ids,
                'contact_ids', p.contact_ids,
                'recency', p.recency,
                'strength', h.strength,
                'tier', connection_paths.strength_tier(h.strength),
                'hops', COALESCE(h.hops, '[]')
            )
            ORDER BY p.position
        ) AS documents
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
            SELECT array_agg(o.user_id ORDER BY o.user_id <> (path_documents.request).viewer_user_id, o.user_id) AS user_ids
            FROM (
                SELECT DISTINCT m.user_id
                FROM connection_paths.introducers AS m
                WHERE m.collection_id = (path_documents.request).collection_id
                    AND m.contact_id = p.contact_ids[1]
                    AND connection_paths.user_opens(m.user_id, (path_documents.request).opener_user_ids)
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
                    'date_to', e.date_to,
                    'strength', e.strength,
                    'tier', connection_paths.strength_tier(e.strength),
                    'overlap_days', connection_paths.overlap_days(e.date_from, e.date_to, e.earlier_days),
                    'people', e.people,
                    'shared_organizations', e.shared_organizations
                )
                ORDER BY i.hop
            ) AS hops,
            min(e.strength) AS strength
            FROM generate_series(1, cardinality(p.contact_ids) - 1) AS i (hop)
            CROSS JOIN LATERAL connection_paths.edge_details(
                p.contact_ids[i.hop], p.contact_ids[i.hop + 1], path_documents.request
            ) AS e
        ) AS h
    ) AS a;
END;

COMMENT ON FUNCTION connection_paths.path_documents(connection_paths.search_request, bigint[], integer[], bigint[], integer[], date[], boolean, boolean) IS 'The paths that a search found, as find_paths returns them';

REVOKE ALL ON FUNCTION connection_paths.path_documents(connection_paths.search_request, bigint[], integer[], bigint[], integer[], date[], boolean, boolean)
FROM PUBLIC;

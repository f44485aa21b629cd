-- connection_paths.path_documents(request, paths, with_names, ids_as_text)
--
-- Gives the paths that a search found as the JSON array of find_paths.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     paths        The paths, the best path first.
--     with_names   True: with the names of contacts, organizations and, where mapped, users.
--     ids_as_text  True: every id is a string.
-- Returns
--     One row.
--     documents  A JSON array with one object per chain, the best first; NULL when no chain was found.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     find_paths
CREATE OR REPLACE FUNCTION connection_paths.path_documents(
    request connection_paths.search_request,
    paths connection_paths.ranked_chain[],
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
                'recency', h.recency,
                'strength', h.strength,
                'tier', connection_paths.strength_tier(h.strength),
                'hops', COALESCE(h.hops, '[]')
            )
            ORDER BY p.place
        ) AS documents
        FROM unnest(path_documents.paths) WITH ORDINALITY AS p (contact_ids, user_id, rank, place)
        CROSS JOIN LATERAL (
            SELECT array_agg(o.user_id ORDER BY o.user_id <> (path_documents.request).viewer_user_id, o.user_id) AS user_ids
            FROM (
                SELECT DISTINCT m.user_id
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = (path_documents.request).collection_id
                    AND m.contact_id = p.contact_ids[1]
                    AND connection_paths.user_opens(
                        m.user_id, (path_documents.request).opener_user_ids, (path_documents.request).closed_user_ids
                    )
            ) AS o
        ) AS u
        LEFT JOIN (
            SELECT
                h.place, max(LEAST((h.edge).date_to, current_date)) AS recency, min((h.edge).strength) AS strength,
                jsonb_agg(
                    jsonb_build_object(
                        'from', h.from_id,
                        'to', h.to_id,
                        'kind', (h.edge).kind,
                        'organization_id', (h.edge).organization_id,
                        'date_from', (h.edge).date_from,
                        'date_to', (h.edge).date_to,
                        'strength', (h.edge).strength,
                        'tier', connection_paths.strength_tier((h.edge).strength),
                        'overlap_days', connection_paths.overlap_days(
                            (h.edge).date_from, (h.edge).date_to, (h.edge).earlier_days
                        ),
                        'people', (h.edge).people,
                        'shared_organizations', (h.edge).shared_organizations
                    )
                ) AS hops
            FROM connection_paths.path_hops(path_documents.request, path_documents.paths) AS h
            GROUP BY h.place
        ) AS h ON h.place = p.place
    ) AS a;
END;

COMMENT ON FUNCTION connection_paths.path_documents(connection_paths.search_request, connection_paths.ranked_chain[], boolean, boolean) IS 'The paths that a search found, as find_paths returns them';

REVOKE ALL ON FUNCTION connection_paths.path_documents(connection_paths.search_request, connection_paths.ranked_chain[], boolean, boolean)
FROM PUBLIC;

-- Ids of the contacts whose edges may need work, ascending: who has usable work experiences, and who has edges.
--
-- The ends of edges are found by a loose index scan, one probe per contact instead of one row per edge: both ends of
-- an edge may have lost their experiences, and then nothing else would lead to it.
WITH RECURSIVE low_ends (contact_id) AS (
    SELECT min(c.contact_a_id) FROM connection_paths.contact_connections AS c
    UNION ALL
    SELECT (
        SELECT min(c.contact_a_id)
        FROM connection_paths.contact_connections AS c
        WHERE c.contact_a_id > e.contact_id
    )
    FROM low_ends AS e
    WHERE e.contact_id IS NOT NULL
)
SELECT e.contact_id FROM connection_paths.work_experiences AS e WHERE e.contact_id IS NOT NULL
UNION
SELECT e.contact_id FROM low_ends AS e WHERE e.contact_id IS NOT NULL
ORDER BY 1

-- A copy of the membership and the rule over it, in the first schema of the search path. Its indexes come after it.
--
-- Rows lie in the order in which the host's table holds them. The view is connection_paths.collection_members over the
-- copy; a rule that drifts from it shows as rows that disagree.
CREATE TABLE members AS
SELECT m.user_id, m.contact_id, m.collection_id, m.source
FROM public.user_contact_collections AS m;

CREATE VIEW collection_members AS
SELECT m.collection_id, m.contact_id, m.user_id
FROM members AS m
WHERE m.source IN (0, 1, 2, 3, 5, 10)
    AND m.user_id IS NOT NULL;

-- generations.introducers
--
-- The members of every collection, and whether each may be asked: contacts in do_not_ask may not.
CREATE OR REPLACE VIEW generations.introducers WITH (security_invoker = true) AS
SELECT
    m.collection_id,
    m.contact_id,
    m.user_id,
    NOT EXISTS (
        SELECT
        FROM connection_paths.do_not_ask AS d
        WHERE d.collection_id = m.collection_id AND d.contact_id = m.contact_id
        OFFSET 0
    ) AS may_be_asked
FROM connection_paths.collection_members AS m;

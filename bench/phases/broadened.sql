-- Phase 3. The partial index under the rule that the query asks for, its columns in the old order.
CREATE INDEX members_broadened ON members (contact_id, collection_id) INCLUDE (user_id)
    WHERE source IN (0, 1, 2, 3, 5, 10) AND user_id IS NOT NULL;

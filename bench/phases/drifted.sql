-- Phases 1 and 2. The partial index was declared when the query asked for source = 5. The query has moved on to six
-- sources, so the index can no longer answer it, and nothing says so: the probes go to the wide one.
CREATE INDEX members_drifted ON members (contact_id, collection_id) INCLUDE (user_id)
    WHERE source = 5 AND user_id IS NOT NULL;

CREATE INDEX members_wide ON members (contact_id, collection_id);

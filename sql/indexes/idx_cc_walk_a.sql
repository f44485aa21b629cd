CREATE INDEX IF NOT EXISTS idx_cc_walk_a
    ON connection_paths.contact_connections (contact_a_id, date_to DESC NULLS FIRST, contact_b_id);

COMMENT ON INDEX connection_paths.idx_cc_walk_a IS 'The walk reads a contact''s edges most recent first, from the index alone, and stops early';
-- that of the partition, by the name which a rebuild would give it and people know in plans
ALTER INDEX IF EXISTS connection_paths.contact_connections_live_contact_a_id_date_to_contact_b_id_idx
    RENAME TO idx_cc_walk_a_r0;

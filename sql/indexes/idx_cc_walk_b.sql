-- No two entries are equal, so deduplicate_items would only cost time: up to a fifth of the build of an index.
CREATE INDEX IF NOT EXISTS idx_cc_walk_b
    ON connection_paths.contact_connections (contact_b_id, date_to DESC NULLS FIRST, contact_a_id)
    WITH (deduplicate_items = off);

COMMENT ON INDEX connection_paths.idx_cc_walk_b IS 'Mirror of idx_cc_walk_a: an edge is stored once and searched in both directions';
ALTER INDEX IF EXISTS connection_paths.contact_connections_live_contact_b_id_date_to_contact_a_id_idx
    RENAME TO idx_cc_walk_b_r0;

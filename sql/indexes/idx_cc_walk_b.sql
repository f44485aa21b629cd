CREATE INDEX IF NOT EXISTS idx_cc_walk_b
    ON connection_paths.contact_connections (contact_b_id, date_to DESC NULLS FIRST, contact_a_id);

COMMENT ON INDEX connection_paths.idx_cc_walk_b IS 'Mirror of idx_cc_walk_a: an edge is stored once and walked both ways';

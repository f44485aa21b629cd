CREATE INDEX IF NOT EXISTS idx_cc_walk_a
    ON connection_paths.contact_connections (contact_a_id, date_to DESC NULLS FIRST, contact_b_id);

COMMENT ON INDEX connection_paths.idx_cc_walk_a IS 'The walk reads a contact''s edges most recent first, from the index alone, and stops early';

-- No two entries are equal, so deduplicate_items would only cost time: up to a fifth of the build of an index.
CREATE INDEX IF NOT EXISTS idx_cc_strong_b
    ON connection_paths.contact_connections (
        contact_b_id, strength DESC NULLS FIRST, date_to DESC NULLS FIRST, contact_a_id
    )
    WITH (deduplicate_items = off)
    WHERE strength >= 30;

COMMENT ON INDEX connection_paths.idx_cc_strong_b IS 'Mirror of idx_cc_strong_a: an edge is stored once and searched in both directions';
-- The index of the partition gets a name with the suffix _r and a run id, as a rebuild would name it; 0 is no run.
ALTER INDEX IF EXISTS connection_paths.contact_connections_live_contact_b_id_strength_date_to_cont_idx
    RENAME TO idx_cc_strong_b_r0;

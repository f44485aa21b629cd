-- Remembers the options of a complete proposal, for sync.
--
-- Parameters: min_score, accept_unique.
INSERT INTO connection_paths.proposal_settings AS s (min_score, accepts_unique)
VALUES (%(min_score)s::real, %(accept_unique)s::boolean)
ON CONFLICT (has_settings) DO UPDATE
    SET min_score = excluded.min_score, accepts_unique = excluded.accepts_unique, proposed_at = excluded.proposed_at

-- connection_paths.strength_tier(strength)
--
-- Returns the word for a strength.
--
-- Parameters
--     strength  The strength of an edge or of a path, 0 to 100. NULL gives NULL.
-- Returns
--     'strong' for 60 and more, 'moderate' for 30 to 59, 'weak' for less than 30.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     path_documents, applications
-- Why
--     The limits of the tiers stand only in this function. The indexes idx_cc_strong_a and idx_cc_strong_b have a limit
--     of their own.
CREATE OR REPLACE FUNCTION connection_paths.strength_tier(strength smallint)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        CASE
            WHEN strength_tier.strength >= 60 THEN 'strong'
            WHEN strength_tier.strength >= 30 THEN 'moderate'
            WHEN strength_tier.strength IS NOT NULL THEN 'weak'
        END;
END;

COMMENT ON FUNCTION connection_paths.strength_tier(smallint) IS 'The word for a strength: strong, moderate or weak';

REVOKE ALL ON FUNCTION connection_paths.strength_tier(smallint) FROM PUBLIC;

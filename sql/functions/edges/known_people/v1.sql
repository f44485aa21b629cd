-- connection_paths.known_people(organization_id)
--
-- Counts the people who are known to have worked at an organization.
--
-- Parameters
--     organization_id  The organization. NULL: 0.
-- Returns
--     The number of different contacts with a usable work experience there.
-- Errors
--     none
-- Reads
--     employments
-- Writes
--     none
-- Used by
--     count_organizations, own_stints
-- Why
--     The count reads an index only. own_stints needs it for an organization without a row in organization_sizes.
CREATE OR REPLACE FUNCTION connection_paths.known_people(organization_id bigint)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT count(DISTINCT e.contact_id)
    FROM connection_paths.employments AS e
    WHERE e.organization_id = known_people.organization_id;
END;

COMMENT ON FUNCTION connection_paths.known_people(bigint) IS 'How many contacts are known to have worked at an organization';

REVOKE ALL ON FUNCTION connection_paths.known_people(bigint) FROM PUBLIC;

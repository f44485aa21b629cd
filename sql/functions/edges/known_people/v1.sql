-- connection_paths.known_people(organization_id)
--
-- Counts the people who are known to have worked at an organization.
--
-- Parameters
--     organization_id  The organization. NULL: 0.
-- Returns
--     The organization's headcount, where the mapping names such a column and it is positive; otherwise the number of
--     different contacts with a usable work experience there.
-- Errors
--     none
-- Reads
--     employments, known_organizations
-- Writes
--     none
-- Used by
--     count_organizations, own_stints, recount_organizations, sync_changes, sql/queries/edges/wrong_sizes.sql
-- Why
--     The count reads an index only. own_stints needs it for an organization without a row in organization_sizes.
CREATE OR REPLACE FUNCTION connection_paths.known_people(organization_id bigint)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT COALESCE(
        (
            SELECT max(o.headcount)
            FROM connection_paths.known_organizations AS o
            WHERE o.id = known_people.organization_id AND o.headcount > 0
        ),
        (
            SELECT count(DISTINCT e.contact_id)
            FROM connection_paths.employments AS e
            WHERE e.organization_id = known_people.organization_id
        )
    );
END;

COMMENT ON FUNCTION connection_paths.known_people(bigint) IS 'How many people are known to have worked at an organization: its headcount, or the contacts there';

REVOKE ALL ON FUNCTION connection_paths.known_people(bigint) FROM PUBLIC;

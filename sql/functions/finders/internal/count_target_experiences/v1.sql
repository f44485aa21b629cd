-- connection_paths.count_target_experiences(contact_id)
--
-- Counts, up to a limit, work experiences of a target that name a company or an organization and make no edges.
--
-- Parameters
--     contact_id  The target. NULL or unknown: both counts are 0.
-- Returns
--     The counts, each at most the limit counted_to; both NULL while the table of work experiences is detached.
--     unresolved  Work experiences with a company name, no organization, and no decision about the name. NULL: company
--                 names are not resolved, so these work experiences cannot be found quickly.
--     excluded    Work experiences at organizations that organization_policy excludes.
-- Errors
--     none
-- Reads
--     named_experiences, name_decisions, employments, organization_policy, detached_sources
-- Writes
--     none
-- Used by
--     why_no_more
-- Why
--     The finders forbid nested loops in their own statements. Here each row is found by an index, so this function has
--     settings of its own. It takes 0.1 ms, only where no path was found.
CREATE OR REPLACE FUNCTION connection_paths.count_target_experiences(
    contact_id bigint,
    OUT unresolved integer,
    OUT excluded integer
)
RETURNS record
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_nestloop = on
AS $function$
DECLARE
    counted_to CONSTANT integer := connection_paths.search_limit('counted_to');
BEGIN
    IF EXISTS (
        SELECT FROM connection_paths.detached_sources AS d WHERE d.table_name = 'contact_work_experiences'
    ) THEN
        RETURN;
    END IF;
    IF to_regclass('connection_paths.named_experiences') IS NOT NULL THEN
        SELECT count(*)
        INTO unresolved
        FROM (
            SELECT
            FROM connection_paths.named_experiences AS n
            WHERE n.contact_id = count_target_experiences.contact_id
                AND NOT EXISTS (
                    SELECT FROM connection_paths.name_decisions AS d WHERE d.company_name = n.company_name
                )
            LIMIT counted_to
        ) AS s;
    END IF;
    SELECT count(*)
    INTO excluded
    FROM (
        SELECT
        FROM connection_paths.employments AS e
        WHERE e.contact_id = count_target_experiences.contact_id
            AND EXISTS (
                SELECT
                FROM connection_paths.organization_policy AS p
                WHERE p.organization_id = e.organization_id AND p.rule = 'none'
            )
        LIMIT counted_to
    ) AS s;
END
$function$;

COMMENT ON FUNCTION connection_paths.count_target_experiences(bigint) IS 'Bounded counts of work experiences of a target that make no edges, for why_no_more';

REVOKE ALL ON FUNCTION connection_paths.count_target_experiences(bigint) FROM PUBLIC;

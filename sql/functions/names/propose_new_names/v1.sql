-- connection_paths.propose_new_names(contact_ids, organization_ids, max_names, changed_at)
--
-- Looks for candidates of the new company names of changed contacts.
--
-- Parameters
--     contact_ids       Contacts whose work experiences may have new names. NULL: none.
--     organization_ids  Organizations that were added or removed. NULL: none.
--     max_names         For how many names to look for candidates at most, at least 1. Required.
--     changed_at        When the oldest of these changes was made. NULL: now.
-- Returns
--     The number of names for which candidates were looked for. 0: no name waits.
-- Errors
--     none
-- Reads
--     named_experiences, proposal_settings, company_names
-- Writes
--     company_names, name_changes
-- Used by
--     sync_changes
-- Why
--     With this function, sync finds candidates without a new call of orchestrator resolve propose. The function does
--     nothing until that command has read all organizations once (proposal_settings has a row): with few organizations
--     to compare with, it would find the wrong candidates. It accepts what the command would accept. More than
--     max_names names wait for the next call; sync calls again while changes_left.sql finds one.
--
--     An organization is read as a range of one id, which also removes a name whose organization is gone. A renamed
--     organization is not queued, so only resolve propose reads the new name.
--
--     What is accepted is queued with the time of the change that brought the name: a sync takes all changes made
--     before it began, and so makes the edges of the name, too.
--
--     The locks of refresh_organization_names and propose_names keep two sessions from missing a pair of a name and an
--     organization. The lock for names is taken before they are inserted: a session that holds the lock may wait for
--     another one that has inserted the same name, and that one must not wait for the lock.
--
--     The settings exclude sequential scans, hash joins and merge joins: the planner expects many organizations in a
--     range of ids, and would read all keys.
CREATE OR REPLACE FUNCTION connection_paths.propose_new_names(
    contact_ids bigint[],
    organization_ids bigint[],
    max_names integer,
    changed_at timestamptz
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
DECLARE
    settings record;
    organization_id bigint;
    names text[];
    experiences bigint[];
    looked_at bigint := 0;
BEGIN
    IF to_regclass('connection_paths.named_experiences') IS NULL THEN
        RETURN 0;
    END IF;
    SELECT s.min_score, s.accepts_unique INTO settings FROM connection_paths.proposal_settings AS s;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    FOR organization_id IN
        SELECT DISTINCT o.id
        FROM unnest(propose_new_names.organization_ids) AS o (id)
        WHERE o.id IS NOT NULL
        ORDER BY o.id
    LOOP
        -- NULL begins with the first organization: no id is below the least bigint
        PERFORM connection_paths.refresh_organization_names(
            NULLIF(organization_id, -9223372036854775808) - 1, 1, propose_new_names.changed_at
        );
    END LOOP;

    SELECT array_agg(s.company_name), array_agg(s.experiences)
    INTO names, experiences
    FROM (
        SELECT
            n.company_name,
            (
                SELECT count(*)
                FROM connection_paths.named_experiences AS e
                WHERE e.company_name = n.company_name
            ) AS experiences
        FROM (
            SELECT DISTINCT e.company_name
            FROM unnest(propose_new_names.contact_ids) AS i (id)
            CROSS JOIN LATERAL (
                SELECT x.company_name
                FROM connection_paths.named_experiences AS x
                WHERE x.contact_id = i.id
                OFFSET 0
            ) AS e
            WHERE NOT EXISTS (
                SELECT FROM connection_paths.company_names AS c WHERE c.company_name = e.company_name
            )
        ) AS n
    ) AS s;
    IF names IS NOT NULL OR EXISTS (SELECT FROM connection_paths.company_names AS c WHERE c.proposed_at IS NULL) THEN
        LOCK TABLE connection_paths.proposal_settings IN SHARE MODE;
    END IF;
    IF names IS NOT NULL THEN
        PERFORM connection_paths.add_company_names(names, experiences, propose_new_names.changed_at);
    END IF;

    IF EXISTS (SELECT FROM connection_paths.company_names AS c WHERE c.proposed_at IS NULL) THEN
        SELECT p.taken
        INTO looked_at
        FROM connection_paths.propose_names(
            propose_new_names.max_names,
            settings.min_score,
            settings.accepts_unique,
            nextval('connection_paths.name_batch_ids')
        ) AS p;
        UPDATE connection_paths.name_changes AS n
        SET changed_at = c.changed_at
        FROM connection_paths.company_names AS c
        WHERE n.written_by = pg_current_xact_id()
            AND c.company_name = n.company_name
            AND c.changed_at < n.changed_at;
    END IF;
    RETURN looked_at;
END
$function$;

COMMENT ON FUNCTION connection_paths.propose_new_names(bigint[], bigint[], integer, timestamptz) IS 'Looks for candidates of new company names; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.propose_new_names(bigint[], bigint[], integer, timestamptz) FROM PUBLIC;

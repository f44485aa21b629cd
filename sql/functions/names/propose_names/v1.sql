-- connection_paths.propose_names(max_names, min_score, accept_unique, batch_id)
--
-- Looks for the organizations that the next company names may mean.
--
-- Parameters
--     max_names      How many names to take, at least 1. Required.
--     min_score      The least similarity of a candidate, between 0 and 1. Required.
--     accept_unique  Whether a name that only one organization has is accepted. Required.
--     batch_id       The number that these decisions get. NULL: none.
-- Returns
--     One row.
--     taken     The number of names. 0: every name has been looked at.
--     proposed  The number of them that have candidates.
--     accepted  The number of them that were accepted.
-- Errors
--     none
-- Reads
--     company_names, organization_names, name_decision_history, proposal_settings
-- Writes
--     company_names, name_proposals, name_decisions
-- Used by
--     propose_new_names, sql/queries/names/propose_names.sql
-- Why
--     A name is accepted when exactly one organization has it. Names that differ only in their legal form count as the
--     same: the name Acme is accepted if Acme Inc. is the only organization that is called Acme, with any legal form or
--     without one. Several organizations may have the name with different legal forms. Then the name is accepted if it
--     has a legal form and exactly one organization has it with this form. Two kinds of names are never accepted here:
--     junk names (is_junk_name), and names that somebody has decided before, even if the decision was undone.
--
--     Similar names are looked for only where no organization has the name. That look-up takes a hundred times as long.
--     The names of the oldest changes come first. So a sync reaches the names of changes that were made before it
--     began, even if new names come without end.
--
--     Rows that another session has taken are skipped, so several sessions may call this function at the same time.
--     They share a lock, which excludes refresh_organization_names to the end of the transaction: see there. Decisions
--     are inserted in the order of their names, as decide_names.sql does, so that the two do not deadlock.
CREATE OR REPLACE FUNCTION connection_paths.propose_names(
    max_names integer,
    min_score real,
    accept_unique boolean,
    batch_id bigint
)
RETURNS TABLE (taken bigint, proposed bigint, accepted bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    names text[];
    others text[];
BEGIN
    LOCK TABLE connection_paths.proposal_settings IN SHARE MODE;
    names := ARRAY(
        SELECT c.company_name
        FROM connection_paths.company_names AS c
        WHERE c.proposed_at IS NULL
        ORDER BY c.changed_at, c.company_name
        LIMIT propose_names.max_names
        FOR UPDATE SKIP LOCKED
    );
    taken := cardinality(names);
    DELETE FROM connection_paths.name_proposals AS p WHERE p.company_name = ANY (names);
    UPDATE connection_paths.company_names AS c SET proposed_at = now() WHERE c.company_name = ANY (names);

    INSERT INTO connection_paths.name_proposals (company_name, place, organization_id, score, reason)
    SELECT
        c.company_name,
        row_number() OVER (PARTITION BY c.company_name ORDER BY o.is_same DESC, o.organization_id),
        o.organization_id,
        1,
        CASE WHEN o.is_same THEN 'same name' ELSE 'other legal form' END
    FROM connection_paths.company_names AS c
    CROSS JOIN LATERAL (
        SELECT n.organization_id, n.full_key = c.full_key AS is_same
        FROM connection_paths.organization_names AS n
        WHERE n.short_key = c.short_key
        ORDER BY 2 DESC, 1
        LIMIT 5
    ) AS o
    WHERE c.company_name = ANY (names) AND c.short_key <> '';

    others := ARRAY(
        SELECT c.company_name
        FROM connection_paths.company_names AS c
        WHERE c.company_name = ANY (names)
            AND c.words <> ''
            AND NOT EXISTS (SELECT FROM connection_paths.name_proposals AS p WHERE p.company_name = c.company_name)
    );
    INSERT INTO connection_paths.name_proposals (company_name, place, organization_id, score, reason)
    SELECT
        s.company_name,
        row_number() OVER (PARTITION BY s.company_name ORDER BY s.score DESC, s.organization_id),
        s.organization_id,
        s.score,
        'similar'
    FROM connection_paths.similar_organizations(others, propose_names.min_score) AS s;
    SELECT count(DISTINCT p.company_name)
    INTO proposed
    FROM connection_paths.name_proposals AS p
    WHERE p.company_name = ANY (names);

    accepted := 0;
    IF propose_names.accept_unique THEN
        INSERT INTO connection_paths.name_decisions (company_name, organization_id, method, score, batch_id)
        SELECT f.company_name, f.organization_id, 'unique', 1, propose_names.batch_id
        FROM connection_paths.name_proposals AS f
        JOIN connection_paths.company_names AS c ON c.company_name = f.company_name
        LEFT JOIN connection_paths.name_proposals AS s ON s.company_name = f.company_name AND s.place = 2
        WHERE f.company_name = ANY (names)
            AND f.place = 1
            AND f.reason <> 'similar'
            AND (
                s.place IS NULL
                OR c.full_key <> c.short_key AND f.reason = 'same name' AND s.reason = 'other legal form'
            )
            AND NOT connection_paths.is_junk_name(c.words)
            AND NOT EXISTS (
                SELECT FROM connection_paths.name_decision_history AS h WHERE h.company_name = f.company_name
            )
        ORDER BY f.company_name
        ON CONFLICT (company_name) DO NOTHING;
        GET DIAGNOSTICS accepted = ROW_COUNT;
    END IF;
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.propose_names(integer, real, boolean, bigint) IS 'Looks for organizations for the next company names, and accepts names that only one organization has; part of orchestrator resolve propose';

REVOKE ALL ON FUNCTION connection_paths.propose_names(integer, real, boolean, bigint) FROM PUBLIC;

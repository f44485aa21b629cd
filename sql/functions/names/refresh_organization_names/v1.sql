-- connection_paths.refresh_organization_names(above_organization_id, max_organizations, changed_at)
--
-- Brings organization_names up to date for the next organizations in the order of their ids.
--
-- Parameters
--     above_organization_id  Begin above this id. NULL: begin with the first one.
--     max_organizations      How many organizations to look at, at least 1. Required.
--     changed_at             When the change of the organizations was made. NULL, the default: now.
-- Returns
--     One row.
--     upto_organization_id  The last id that was looked at. NULL: there are no more organizations.
--     looked_at             The number of organizations that were looked at.
--     changed               The number of rows that were inserted, updated or deleted.
-- Errors
--     none
-- Reads
--     known_organizations, organization_names, proposal_settings
-- Writes
--     organization_names, organization_keys, organization_words, company_names
-- Used by
--     propose_new_names, sql/queries/names/refresh_organization_names.sql
-- Why
--     Only names that have changed are written in plain form again. Company names that differ from the name of an
--     organization before or after its change at most in the legal form are marked, so that propose_names looks for
--     candidates again. Words stay in organization_words when no name has them any longer; this does no harm. Call the
--     function again with the returned id until it is NULL. The last call also deletes the names of organizations above
--     the last id. There is no id above the greatest bigint, so `lowest` is NULL then and the call finds nothing.
--
--     From the first statement to the end of the transaction, no other session compares names (propose_names) or writes
--     the names of organizations. Otherwise the other session might compare a company name before it sees an
--     organization of this call, and this call would not see that the name was compared and must be compared again.
CREATE OR REPLACE FUNCTION connection_paths.refresh_organization_names(
    above_organization_id bigint,
    max_organizations integer,
    changed_at timestamptz DEFAULT NULL
)
RETURNS TABLE (upto_organization_id bigint, looked_at bigint, changed bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    lowest CONSTANT bigint := CASE
        WHEN refresh_organization_names.above_organization_id IS NULL THEN -9223372036854775808
        WHEN refresh_organization_names.above_organization_id < 9223372036854775807
            THEN refresh_organization_names.above_organization_id + 1
    END;
BEGIN
    LOCK TABLE connection_paths.proposal_settings IN SHARE ROW EXCLUSIVE MODE;
    SELECT max(s.id), count(*)
    INTO upto_organization_id, looked_at
    FROM (
        SELECT o.id
        FROM connection_paths.known_organizations AS o
        WHERE o.id >= lowest
        ORDER BY o.id
        LIMIT refresh_organization_names.max_organizations
    ) AS s;

    WITH present AS (
        SELECT o.id, COALESCE(substr(o.name, 1, 200), '') AS name
        FROM connection_paths.known_organizations AS o
        WHERE o.id >= lowest AND o.id <= refresh_organization_names.upto_organization_id
    ),
    deleted AS (
        DELETE FROM connection_paths.organization_names AS n
        WHERE n.organization_id >= lowest
            AND n.organization_id <= COALESCE(refresh_organization_names.upto_organization_id, 9223372036854775807)
            AND NOT EXISTS (SELECT FROM present AS p WHERE p.id = n.organization_id)
        RETURNING n.organization_id, n.short_key
    ),
    plain AS (
        SELECT p.id, p.name, connection_paths.plain_name(p.name) AS plain, n.short_key AS old_key
        FROM present AS p
        LEFT JOIN connection_paths.organization_names AS n ON n.organization_id = p.id
        WHERE n.name IS DISTINCT FROM p.name
        OFFSET 0
    ),
    short AS (
        SELECT p.id, p.name, p.plain, connection_paths.without_legal_form(p.plain) AS words
        FROM plain AS p
        OFFSET 0
    ),
    written AS (
        INSERT INTO connection_paths.organization_names AS n (organization_id, name, words, full_key, short_key)
        SELECT s.id, s.name, s.words, replace(s.plain, ' ', ''), replace(s.words, ' ', '')
        FROM short AS s
        ON CONFLICT (organization_id) DO UPDATE
            SET name = excluded.name,
                words = excluded.words,
                full_key = excluded.full_key,
                short_key = excluded.short_key,
                changed_at = excluded.changed_at
        RETURNING n.organization_id, n.short_key, n.words
    ),
    old_keys AS (
        DELETE FROM connection_paths.organization_keys AS k
        USING (
            SELECT d.organization_id, NULL AS words FROM deleted AS d
            UNION ALL
            SELECT w.organization_id, w.words FROM written AS w
        ) AS c
        WHERE k.organization_id = c.organization_id
            AND (c.words IS NULL OR k.key <> ALL (connection_paths.name_keys(string_to_array(c.words, ' '))))
    ),
    new_keys AS (
        INSERT INTO connection_paths.organization_keys (key, organization_id)
        SELECT k.key, w.organization_id
        FROM written AS w
        CROSS JOIN LATERAL unnest(connection_paths.name_keys(string_to_array(w.words, ' '))) AS k (key)
        ON CONFLICT DO NOTHING
    ),
    new_words AS (
        INSERT INTO connection_paths.organization_words (form, word)
        SELECT f.form, u.word
        FROM (
            SELECT DISTINCT s.word
            FROM written AS w
            CROSS JOIN LATERAL unnest((string_to_array(w.words, ' '))[:6]) AS s (word)
        ) AS u
        CROSS JOIN LATERAL unnest(connection_paths.typing_forms(u.word)) AS f (form)
        ON CONFLICT DO NOTHING
    ),
    again AS (
        UPDATE connection_paths.company_names AS c
        SET proposed_at = NULL, changed_at = COALESCE(refresh_organization_names.changed_at, now())
        WHERE c.proposed_at IS NOT NULL
            AND c.short_key IN (
                SELECT w.short_key FROM written AS w
                UNION ALL
                SELECT p.old_key FROM plain AS p
                UNION ALL
                SELECT d.short_key FROM deleted AS d
            )
    )
    SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM written)
    INTO changed;
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.refresh_organization_names(bigint, integer, timestamptz) IS 'Brings the names of some organizations up to date in organization_names; part of orchestrator resolve propose';

REVOKE ALL ON FUNCTION connection_paths.refresh_organization_names(bigint, integer, timestamptz) FROM PUBLIC;

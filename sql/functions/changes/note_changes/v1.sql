-- connection_paths.note_changes(contact_ids, organization_ids): queues contacts and organizations that somebody
-- changed.
--
-- For whoever writes to the application's tables where triggers do not fire. Call it in the transaction that wrote, so
-- that a change and its note are committed together. A contact stands for its existence and all of its work
-- experiences; an organization for its existence.
--
-- contact_ids       those contacts; NULL and NULL elements are ignored
-- organization_ids  those organizations; likewise
-- Returns           how many notes were queued.
--
-- Everybody is queued by note_everybody, never by leaving something out here. Acts with its owner's rights, so
-- GRANT EXECUTE is all that a role needs.
CREATE OR REPLACE FUNCTION connection_paths.note_changes(
    contact_ids bigint[] DEFAULT '{}',
    organization_ids bigint[] DEFAULT '{}'
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    notes bigint;
BEGIN
    INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
    SELECT c.id, NULL FROM unnest(note_changes.contact_ids) AS c (id) WHERE c.id IS NOT NULL
    UNION
    SELECT NULL, o.id FROM unnest(note_changes.organization_ids) AS o (id) WHERE o.id IS NOT NULL;
    GET DIAGNOSTICS notes = ROW_COUNT;
    IF notes > 0 THEN
        PERFORM connection_paths.wake_listener();
    END IF;
    RETURN notes;
END
$function$;

COMMENT ON FUNCTION connection_paths.note_changes(bigint[], bigint[]) IS 'Queues contacts and organizations whose rows were written where no trigger fires; sync recomputes their edges';

REVOKE ALL ON FUNCTION connection_paths.note_changes(bigint[], bigint[]) FROM PUBLIC;

-- connection_paths.backfill_contact(contact_id): the current generation of backfill_contact. See backfill_contact_v2.
CREATE OR REPLACE FUNCTION connection_paths.backfill_contact(contact_id bigint)
RETURNS bigint
LANGUAGE sql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT connection_paths.backfill_contact_v2(backfill_contact.contact_id);
END;

COMMENT ON FUNCTION connection_paths.backfill_contact(bigint) IS 'Makes one contact''s work_overlap edges what they should be; returns how many rows changed';

REVOKE ALL ON FUNCTION connection_paths.backfill_contact(bigint) FROM PUBLIC;

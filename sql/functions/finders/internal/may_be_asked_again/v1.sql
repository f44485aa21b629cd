-- connection_paths.may_be_asked_again(collection_id, contact_id)
--
-- Says whether the limits in introduction_limits allow another request to a contact.
--
-- Parameters
--     collection_id  The collection that the path is in.
--     contact_id     The contact who would be asked.
-- Returns
--     False when a limit of the collection, or of all collections, is reached: within its last per_days days the
--     contact was asked max_requests times, not counting withdrawn requests.
-- Errors
--     none
-- Reads
--     introduction_limits, introduction_requests
-- Writes
--     none
-- Used by
--     askable_members
-- Why
--     askable_members calls it only where a limit exists. As a part of askable_members, its two tables would add 5 % to
--     every search without limits, because PostgreSQL opens each table of a plan
--     (docs/adr/0019-consent-in-one-view.md).
CREATE OR REPLACE FUNCTION connection_paths.may_be_asked_again(collection_id bigint, contact_id bigint)
RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    RETURN NOT EXISTS (
        SELECT
        FROM connection_paths.introduction_limits AS l
        WHERE (l.collection_id = may_be_asked_again.collection_id OR l.collection_id IS NULL)
            AND EXISTS (
                SELECT
                FROM connection_paths.introduction_requests AS r
                WHERE r.introducer_contact_id = may_be_asked_again.contact_id
                    AND (l.collection_id IS NULL OR r.collection_id = l.collection_id)
                    AND r.requested_at > now() - make_interval(days => l.per_days)
                    AND r.outcome <> 'withdrawn'
                OFFSET l.max_requests - 1
            )
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.may_be_asked_again(bigint, bigint) IS 'Whether the limits in introduction_limits allow another request to a contact';

REVOKE ALL ON FUNCTION connection_paths.may_be_asked_again(bigint, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION connection_paths.askable_members(
    collection_id bigint,
    excluded_contact_ids bigint[],
    ask_everybody boolean
)
RETURNS TABLE (contact_id bigint, user_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT m.contact_id, m.user_id
    FROM connection_paths.introducers AS m
    WHERE m.collection_id = askable_members.collection_id
        AND (
            askable_members.ask_everybody
            OR (
                askable_members.excluded_contact_ids[
                    width_bucket(m.contact_id, (SELECT askable_members.excluded_contact_ids || '{}'::bigint[]))
                ] = m.contact_id
            ) IS NOT TRUE
            AND m.may_be_asked
        );
END;

COMMENT ON FUNCTION connection_paths.askable_members(bigint, bigint[], boolean) IS 'Members of a collection who may be asked, and the users who brought them in';

REVOKE ALL ON FUNCTION connection_paths.askable_members(bigint, bigint[], boolean) FROM PUBLIC;

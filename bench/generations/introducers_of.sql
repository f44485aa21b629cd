-- generations.introducers_of(...)
--
-- Returns the users who brought one contact into the collection, as an array.
CREATE OR REPLACE FUNCTION generations.introducers_of(
    contact_id bigint,
    collection_id bigint,
    excluded_contact_ids bigint[],
    ask_everybody boolean
)
RETURNS TABLE (user_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 2
BEGIN ATOMIC
    SELECT m.user_id
    FROM generations.introducers AS m
    WHERE m.collection_id = introducers_of.collection_id
        AND m.contact_id = introducers_of.contact_id
        AND (
            introducers_of.ask_everybody
            OR (
                introducers_of.excluded_contact_ids[
                    width_bucket(m.contact_id, (SELECT introducers_of.excluded_contact_ids || '{}'::bigint[]))
                ] = m.contact_id
            ) IS NOT TRUE
            AND m.may_be_asked
        )
    OFFSET 0;
END;

COMMENT ON FUNCTION generations.introducers_of(bigint, bigint, bigint[], boolean) IS 'Users who brought a contact into a collection, where the contact may be asked';

REVOKE ALL ON FUNCTION generations.introducers_of(bigint, bigint, bigint[], boolean) FROM PUBLIC;

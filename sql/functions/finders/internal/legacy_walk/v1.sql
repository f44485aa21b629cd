-- connection_paths.legacy_walk(target_contact_id, collection_id, excluded_contact_ids, deadline): chains of one or two
-- contacts that end at the target, straight from work experiences, without the edge table.
--
-- excluded_contact_ids  not to be asked, besides those in do_not_ask
-- deadline              from this moment on no colleague is looked up any more, so chains of two are missing; NULL:
--                       never
--
-- The clock is read before each colleague is looked up. The overlaps themselves are worked out before that, by one
-- statement that does not look at the clock: a contact with a part of its overlaps could get the wrong edge.
--
-- Returns like walk, and beside it the one edge of a chain of two: organization_id, date_from, date_to.
CREATE OR REPLACE FUNCTION connection_paths.legacy_walk(
    target_contact_id bigint,
    collection_id bigint,
    excluded_contact_ids bigint[],
    deadline timestamptz
)
RETURNS TABLE (
    depth integer,
    contact_ids bigint[],
    recency date,
    organization_id bigint,
    date_from date,
    date_to date
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT 1, ARRAY[legacy_walk.target_contact_id], NULL::date, NULL::bigint, NULL::date, NULL::date
    UNION ALL
    SELECT
        2,
        ARRAY[w.neighbour_id, legacy_walk.target_contact_id],
        LEAST(w.date_to, current_date),
        w.organization_id,
        w.date_from,
        w.date_to
    FROM connection_paths.work_overlaps(legacy_walk.target_contact_id) AS w
    WHERE EXISTS (
        SELECT
        FROM connection_paths.introducers AS m
        WHERE m.collection_id = legacy_walk.collection_id AND m.contact_id = w.neighbour_id AND m.may_be_asked
    )
        AND w.neighbour_id NOT IN (SELECT x.contact_id FROM unnest(legacy_walk.excluded_contact_ids) AS x (contact_id))
        -- refers to neighbour_id, so that the clock is read for each colleague, and before the look-ups
        AND (legacy_walk.deadline IS NULL OR w.neighbour_id IS NOT NULL AND clock_timestamp() < legacy_walk.deadline);
END;

COMMENT ON FUNCTION connection_paths.legacy_walk(bigint, bigint, bigint[], timestamptz) IS 'Chains of one or two contacts that end at the target, straight from work experiences';

REVOKE ALL ON FUNCTION connection_paths.legacy_walk(bigint, bigint, bigint[], timestamptz) FROM PUBLIC;

-- connection_paths.note_came_or_went(): trigger; queues the contacts, or the organizations, that came or went.
--
-- The trigger's argument says which: 'contact' or 'organization'. A row each, not one for everybody who worked at an
-- organization: those are found by sync_changes, not by the writer. A change of anything but the id queues nothing; a
-- new contact is queued whether or not it has work experiences, for those may be written by a transaction that is not
-- visible yet.
--
-- The writer's statement never fails because of this trigger; see note_changed_experiences, also for the COALESCE.
CREATE OR REPLACE FUNCTION connection_paths.note_came_or_went()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    ids bigint[];
    failure text;
BEGIN
    BEGIN
        IF TG_OP = 'INSERT' THEN
            ids := ARRAY(SELECT COALESCE(n.id, NULL::bigint) FROM new_rows AS n WHERE n.id IS NOT NULL);
        ELSIF TG_OP = 'DELETE' THEN
            ids := ARRAY(SELECT COALESCE(o.id, NULL::bigint) FROM old_rows AS o WHERE o.id IS NOT NULL);
        ELSIF TG_OP = 'UPDATE' THEN
            ids := ARRAY(
                SELECT s.id
                FROM (
                    SELECT COALESCE(n.id, NULL::bigint) AS id, 1 AS more FROM new_rows AS n
                    UNION ALL
                    SELECT COALESCE(o.id, NULL::bigint), -1 FROM old_rows AS o
                ) AS s
                WHERE s.id IS NOT NULL
                GROUP BY s.id
                HAVING sum(s.more) <> 0
            );
        ELSE
            ids := ARRAY[NULL]::bigint[]; -- everybody
        END IF;
        IF cardinality(ids) = 0 THEN
            RETURN NULL;
        END IF;
        -- fails where the INSERT below would fail for want of the table, a column or a right
        INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
        SELECT NULL::bigint, NULL::bigint WHERE false;
        PERFORM connection_paths.wake_listener();
    EXCEPTION
        WHEN OTHERS THEN
            failure := SQLERRM || ' [SQLSTATE ' || SQLSTATE || ']';
    END;

    IF failure IS NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
        SELECT
            CASE TG_ARGV[0] WHEN 'contact' THEN c.id END,
            CASE TG_ARGV[0] WHEN 'organization' THEN c.id END
        FROM unnest(ids) AS c (id);
        RETURN NULL;
    END IF;
    BEGIN
        PERFORM connection_paths.note_failure(TG_RELID, failure);
    EXCEPTION
        WHEN OTHERS THEN
            RAISE WARNING 'connection_paths cannot note a change of %.%: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, failure;
    END;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.note_came_or_went() IS 'Trigger: queues the contacts, or the organizations, that came or went';

REVOKE ALL ON FUNCTION connection_paths.note_came_or_went() FROM PUBLIC;

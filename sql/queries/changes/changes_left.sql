-- Whether sync still has to handle a change that was made, or a refresh or a count that became due, before some time.
--
-- Contacts whose refresh has failed three times do not count. A row of capture_failures counts when sync can handle it:
-- when it is closed or the triggers of its table work again. A company name without candidates counts when sync looks
-- for candidates: see propose_new_names.
-- Parameter: until, that time. NULL: no limit.
SELECT EXISTS (
    SELECT
    FROM connection_paths.contact_changes AS q
    WHERE NOT q.has_failed AND (%(until)s::timestamptz IS NULL OR q.changed_at <= %(until)s)
) OR EXISTS (
    SELECT
    FROM connection_paths.capture_failures AS f
    WHERE (%(until)s::timestamptz IS NULL OR f.failed_at <= %(until)s)
        AND (f.closed_by IS NOT NULL OR connection_paths.capture_works(f.table_oid))
)
OR EXISTS (
    SELECT
    FROM connection_paths.due_changes AS d
    WHERE d.due_on <= CURRENT_DATE AND (%(until)s::timestamptz IS NULL OR d.due_on <= %(until)s)
)
OR EXISTS (
    SELECT FROM connection_paths.name_changes AS n WHERE %(until)s::timestamptz IS NULL OR n.changed_at <= %(until)s
)
OR to_regclass('connection_paths.named_experiences') IS NOT NULL
AND EXISTS (SELECT FROM connection_paths.proposal_settings)
AND EXISTS (
    SELECT
    FROM connection_paths.company_names AS c
    WHERE c.proposed_at IS NULL AND (%(until)s::timestamptz IS NULL OR c.changed_at <= %(until)s)
)
OR EXISTS (
    SELECT
    FROM connection_paths.organization_sizes AS s
    WHERE s.counted_at <= COALESCE(%(until)s::timestamptz, now()) - connection_paths.count_is_good_for()
)

-- Removes the views of company names. Contacts whose edges come from a resolved name are queued first. Whatever is
-- missing already is no error.
DO $off$
BEGIN
    IF to_regclass('connection_paths.named_experiences') IS NULL THEN
        RETURN;
    END IF;
    IF to_regclass('connection_paths.contact_changes') IS NOT NULL
        AND to_regclass('connection_paths.name_decisions') IS NOT NULL
    THEN
        BEGIN
            INSERT INTO connection_paths.contact_changes (contact_id)
            SELECT DISTINCT n.contact_id
            FROM connection_paths.named_experiences AS n
            JOIN connection_paths.name_decisions AS d ON d.company_name = n.company_name
            WHERE d.organization_id IS NOT NULL AND n.contact_id IS NOT NULL;
        EXCEPTION
            WHEN SQLSTATE 'CP010' THEN -- the table is detached
                INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL);
        END;
    END IF;
    IF to_regclass('connection_paths.employments') IS NOT NULL THEN
        CREATE OR REPLACE VIEW connection_paths.employments WITH (security_invoker = true) AS
        SELECT e.contact_id, e.organization_id, e.date_from, e.date_to
        FROM connection_paths.work_experiences AS e;
    END IF;
    DROP VIEW connection_paths.named_experiences;
END
$off$;

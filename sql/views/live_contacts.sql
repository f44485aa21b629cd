-- The application's contacts.
CREATE OR REPLACE VIEW connection_paths.live_contacts WITH (security_invoker = true) AS
SELECT
    :contacts.id AS id,
    :contacts.name AS name
FROM :contacts.table AS c
:contacts.where;

COMMENT ON VIEW connection_paths.live_contacts IS 'Contacts that exist. Only these have edges; work experiences of other contact ids make no edges';

REVOKE ALL ON TABLE connection_paths.live_contacts FROM PUBLIC;

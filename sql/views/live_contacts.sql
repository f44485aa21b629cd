-- The application's contacts.
CREATE OR REPLACE VIEW connection_paths.live_contacts WITH (security_invoker = true) AS
SELECT
    c.id,
    c.name::text AS name
FROM :"host_schema".contacts AS c;

COMMENT ON VIEW connection_paths.live_contacts IS 'Contacts that exist. Only these have edges; work experiences of other contact ids make no edges';

REVOKE ALL ON TABLE connection_paths.live_contacts FROM PUBLIC;

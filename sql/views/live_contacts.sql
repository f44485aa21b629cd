-- The application's contacts.
CREATE OR REPLACE VIEW connection_paths.live_contacts WITH (security_invoker = true) AS
SELECT
    c.id,
    c.name::text AS name
FROM :"host_schema".contacts AS c;

COMMENT ON VIEW connection_paths.live_contacts IS 'Contacts that exist; anybody else has no edge, whatever work experiences were left behind';

REVOKE ALL ON TABLE connection_paths.live_contacts FROM PUBLIC;

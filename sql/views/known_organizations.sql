-- The application's organizations.
CREATE OR REPLACE VIEW connection_paths.known_organizations WITH (security_invoker = true) AS
SELECT
    :organizations.id AS id,
    :organizations.name AS name,
    :organizations.headcount AS headcount
FROM :organizations.table AS o
:organizations.where;

COMMENT ON VIEW connection_paths.known_organizations IS 'Organizations that exist; a work experience at another organization id makes no edge';

REVOKE ALL ON TABLE connection_paths.known_organizations FROM PUBLIC;

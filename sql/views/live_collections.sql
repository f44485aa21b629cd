-- The application's collections, by name. No code computes anything from them. Without a table in the mapping the view
-- has no row.
CREATE OR REPLACE VIEW connection_paths.live_collections WITH (security_invoker = true) AS
SELECT
    :collections.id AS id,
    :collections.name AS name
FROM :collections.table AS c
:collections.where;

COMMENT ON VIEW connection_paths.live_collections IS 'Names of collections, for people to read; no row where no table of collections is mapped';

REVOKE ALL ON TABLE connection_paths.live_collections FROM PUBLIC;

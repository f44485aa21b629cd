-- The application's users, by name. No code computes anything from them. Without a table in the mapping the view has
-- no row.
CREATE OR REPLACE VIEW connection_paths.live_users WITH (security_invoker = true) AS
SELECT
    :users.id AS id,
    :users.name AS name
FROM :users.table AS u
:users.where;

COMMENT ON VIEW connection_paths.live_users IS 'Names of users, for people to read; no row where no table of users is mapped';

REVOKE ALL ON TABLE connection_paths.live_users FROM PUBLIC;

DROP VIEW IF EXISTS connection_paths.employments;
DROP VIEW IF EXISTS connection_paths.introducers;
DROP TABLE IF EXISTS connection_paths.do_not_ask;
DROP TABLE IF EXISTS connection_paths.finder_rollout;
DROP TABLE IF EXISTS connection_paths.contact_connections;
DROP TYPE IF EXISTS connection_paths.search_request;
DROP TYPE IF EXISTS connection_paths.given_edge;
DROP TYPE IF EXISTS connection_paths.connection_kind;

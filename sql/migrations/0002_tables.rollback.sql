DROP VIEW IF EXISTS connection_paths.employments;
DROP VIEW IF EXISTS connection_paths.live_organizations;
DROP TABLE IF EXISTS connection_paths.organization_sizes;
DROP TABLE IF EXISTS connection_paths.organization_policy;
DROP TABLE IF EXISTS connection_paths.introduction_limits;
DROP TABLE IF EXISTS connection_paths.introduction_requests;
DROP TABLE IF EXISTS connection_paths.do_not_ask_users;
DROP TABLE IF EXISTS connection_paths.do_not_ask;
DROP TABLE IF EXISTS connection_paths.finder_rollout;
-- The functions of a search may read this table: see redirect_searches. They are dropped before, with migration 0005.
DROP TABLE IF EXISTS connection_paths.contact_connections_next;
DROP TABLE IF EXISTS connection_paths.contact_connections;
DROP TYPE IF EXISTS connection_paths.ranked_chain;
DROP TYPE IF EXISTS connection_paths.search_request;
DROP TYPE IF EXISTS connection_paths.edge_details;
DROP TYPE IF EXISTS connection_paths.connection_kind;

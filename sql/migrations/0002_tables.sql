-- What the package keeps: the edges, which finder a collection uses, and who is not to be asked.
-- depends: 0001_binding_views

DO $type$
BEGIN
    CREATE TYPE connection_paths.connection_kind AS ENUM ('work_overlap');
EXCEPTION
    WHEN duplicate_object THEN NULL; -- a killed install may run this again
END
$type$;

COMMENT ON TYPE connection_paths.connection_kind IS 'Kinds of edges; an application may add its own with ALTER TYPE ... ADD VALUE';

CREATE TABLE IF NOT EXISTS connection_paths.contact_connections (
    contact_a_id bigint NOT NULL,
    contact_b_id bigint NOT NULL,
    kind connection_paths.connection_kind NOT NULL,
    organization_id bigint,
    date_from date,
    date_to date,
    computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (contact_a_id, contact_b_id, kind),
    CONSTRAINT contact_connections_ordered CHECK (contact_a_id < contact_b_id),
    CONSTRAINT contact_connections_work_overlap_dated CHECK (
        kind <> 'work_overlap' OR (organization_id IS NOT NULL AND date_from IS NOT NULL)
    )
) PARTITION BY LIST (kind);

-- One partition holds everything. A rebuild makes another beside it and exchanges the two: the table that grants, views
-- and policies are about stays the same one. Partitioning by kind is for form's sake: the walk wants one index, not
-- two.
CREATE TABLE IF NOT EXISTS connection_paths.contact_connections_live
    PARTITION OF connection_paths.contact_connections DEFAULT;
ALTER INDEX IF EXISTS connection_paths.contact_connections_live_pkey RENAME TO contact_connections_pkey_r0;

COMMENT ON TABLE connection_paths.contact_connections_live IS 'The rows of contact_connections; read and write those through it';
COMMENT ON TABLE connection_paths.contact_connections IS 'Undirected dated edges, one row per pair and kind; work_overlap rows belong to the package, other kinds to the application';
COMMENT ON COLUMN connection_paths.contact_connections.date_to IS 'NULL: goes on';
COMMENT ON COLUMN connection_paths.contact_connections.computed_at IS 'When the row last changed, not when it was last checked';

CREATE TABLE IF NOT EXISTS connection_paths.finder_rollout (
    collection_id bigint PRIMARY KEY,
    impl text NOT NULL CONSTRAINT finder_rollout_impl CHECK (impl IN ('v1', 'v2'))
);

COMMENT ON TABLE connection_paths.finder_rollout IS 'The implementation find_paths uses for a collection; without a row, the current one';

CREATE TABLE IF NOT EXISTS connection_paths.do_not_ask (
    collection_id bigint,
    contact_id bigint,
    PRIMARY KEY (collection_id, contact_id)
);

COMMENT ON TABLE connection_paths.do_not_ask IS 'Contacts whom a collection''s members do not want asked for introductions; written by the application or by hand, read by every finder at every call';

-- One edge that a search is given instead of reading contact_connections.
DO $type$
BEGIN
    CREATE TYPE connection_paths.given_edge AS (
        neighbour_id bigint,
        organization_id bigint,
        date_from date,
        date_to date
    );
EXCEPTION
    WHEN duplicate_object THEN NULL; -- a killed install may run this again
END
$type$;

COMMENT ON TYPE connection_paths.given_edge IS 'An edge of a target that a search is given, instead of reading contact_connections';

-- What the finders ask of a search; they check it first.
DO $type$
BEGIN
    CREATE TYPE connection_paths.search_request AS (
        target_contact_id bigint,
        collection_id bigint,
        viewer_user_id bigint,
        max_depth integer,
        max_found integer,
        seed_scope text,
        max_edges_per_hop integer,
        excluded_contact_ids bigint[],
        ask_everybody boolean,
        by_chain boolean,
        deadline timestamptz,
        given_edges connection_paths.given_edge[]
    );
EXCEPTION
    WHEN duplicate_object THEN NULL; -- a killed install may run this again
END
$type$;

COMMENT ON TYPE connection_paths.search_request IS 'What a search is asked; made by the finders';

-- The rule is the last column. A column and not a WHERE, so that "everybody may OR may_be_asked" costs nothing where
-- nobody of a collection is in do_not_ask, nearly always: a finder asks that once a call. OFFSET 0 keeps it a look-up
-- of one pair; the planner might hash the whole table instead.
CREATE OR REPLACE VIEW connection_paths.introducers WITH (security_invoker = true) AS
SELECT
    m.collection_id,
    m.contact_id,
    m.user_id,
    NOT EXISTS (
        SELECT
        FROM connection_paths.do_not_ask AS d
        WHERE d.collection_id = m.collection_id AND d.contact_id = m.contact_id
        OFFSET 0
    ) AS may_be_asked
FROM connection_paths.collection_members AS m;

COMMENT ON VIEW connection_paths.introducers IS 'collection_members, and whether each may stand on a path before its target: not those in do_not_ask';

-- Default privileges of the database may give PUBLIC rights on whatever is created.
REVOKE ALL ON TYPE
    connection_paths.connection_kind, connection_paths.given_edge, connection_paths.search_request
FROM PUBLIC;
REVOKE ALL ON TABLE
    connection_paths.contact_connections, connection_paths.contact_connections_live, connection_paths.finder_rollout,
    connection_paths.do_not_ask, connection_paths.introducers
FROM PUBLIC;

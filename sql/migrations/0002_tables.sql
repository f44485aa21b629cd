-- The tables of edges, of the finder of each collection, of contacts who may not be asked and of policies of
-- organizations; the types of a search.
-- depends: 0001_binding_views

DO $type$
BEGIN
    CREATE TYPE connection_paths.connection_kind AS ENUM ('work_overlap');
EXCEPTION
    WHEN duplicate_object THEN NULL; -- an install that was killed may run this again
END
$type$;

COMMENT ON TYPE connection_paths.connection_kind IS 'Kinds of edges; an application may add its own with ALTER TYPE ... ADD VALUE';

CREATE TABLE IF NOT EXISTS connection_paths.contact_connections (
    contact_a_id bigint NOT NULL,
    contact_b_id bigint NOT NULL,
    kind connection_paths.connection_kind NOT NULL,
    strength smallint NOT NULL DEFAULT 50,
    shared_organizations smallint,
    organization_id bigint,
    date_from date,
    date_to date,
    earlier_days integer,
    people integer,
    computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (contact_a_id, contact_b_id, kind),
    CONSTRAINT contact_connections_ordered CHECK (contact_a_id < contact_b_id),
    CONSTRAINT contact_connections_strength CHECK (strength BETWEEN 0 AND 100),
    CONSTRAINT contact_connections_work_overlap_dated CHECK (
        kind <> 'work_overlap' OR (
            organization_id IS NOT NULL AND date_from IS NOT NULL AND shared_organizations IS NOT NULL
            AND earlier_days IS NOT NULL AND people IS NOT NULL
        )
    )
) PARTITION BY LIST (kind);

-- One partition holds all rows. A rebuild creates another table beside it and exchanges the two, while grants, views
-- and policies stay on the parent. The partition key is kind only because a partitioned table
-- needs a key: one partition for all kinds is what searches need, because they read one index over all kinds.
CREATE TABLE IF NOT EXISTS connection_paths.contact_connections_live
    PARTITION OF connection_paths.contact_connections DEFAULT;
ALTER INDEX IF EXISTS connection_paths.contact_connections_live_pkey RENAME TO contact_connections_pkey_r0;

COMMENT ON TABLE connection_paths.contact_connections_live IS 'The rows of contact_connections; read and write them through contact_connections';
COMMENT ON TABLE connection_paths.contact_connections IS 'Edges between contacts, one row per pair and kind. Rows of the kind work_overlap belong to the package, rows of other kinds to the application';
COMMENT ON COLUMN connection_paths.contact_connections.contact_a_id IS 'The contact with the smaller id';
COMMENT ON COLUMN connection_paths.contact_connections.contact_b_id IS 'The contact with the greater id';
COMMENT ON COLUMN connection_paths.contact_connections.kind IS 'What the edge means; work_overlap rows belong to the package';
COMMENT ON COLUMN connection_paths.contact_connections.strength IS 'How probable it is that the two know each other well, 0 to 100: edge_strength for work_overlap; for other kinds what the application writes';
COMMENT ON COLUMN connection_paths.contact_connections.shared_organizations IS 'How many organizations the two shared';
COMMENT ON COLUMN connection_paths.contact_connections.organization_id IS 'Where both worked at the same time';
COMMENT ON COLUMN connection_paths.contact_connections.date_from IS 'First day of the overlap';
COMMENT ON COLUMN connection_paths.contact_connections.date_to IS 'Last day of the overlap; NULL: both work experiences continue';
COMMENT ON COLUMN connection_paths.contact_connections.earlier_days IS 'How many days before date_from the two had in common; overlap_days adds the days of the overlap itself';
COMMENT ON COLUMN connection_paths.contact_connections.people IS 'The size class of the smallest organization that the two shared';
COMMENT ON COLUMN connection_paths.contact_connections.computed_at IS 'When the row last changed, not when it was last checked';

CREATE TABLE IF NOT EXISTS connection_paths.finder_rollout (
    collection_id bigint PRIMARY KEY,
    impl text NOT NULL CONSTRAINT finder_rollout_impl CHECK (impl IN ('v1', 'v2'))
);

COMMENT ON TABLE connection_paths.finder_rollout IS 'The implementation that find_paths uses for a collection. A collection without a row uses v2';
COMMENT ON COLUMN connection_paths.finder_rollout.impl IS 'v1: legacy_finder; v2: deep_finder';

CREATE TABLE IF NOT EXISTS connection_paths.do_not_ask (
    collection_id bigint,
    contact_id bigint,
    PRIMARY KEY (collection_id, contact_id)
);

COMMENT ON TABLE connection_paths.do_not_ask IS 'Contacts who may not be asked for introductions, by collection. The application or an operator writes it; every call of a finder reads it';

CREATE TABLE IF NOT EXISTS connection_paths.organization_policy (
    organization_id bigint PRIMARY KEY,
    rule text NOT NULL CONSTRAINT organization_policy_rule CHECK (rule IN ('none', 'long_overlaps')),
    min_overlap_days integer,
    reason text,
    created_by text NOT NULL DEFAULT session_user,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT organization_policy_min_overlap_days CHECK (
        CASE rule
            WHEN 'long_overlaps' THEN min_overlap_days IS NOT NULL AND min_overlap_days BETWEEN 1 AND 36525
            ELSE min_overlap_days IS NULL
        END
    )
);

-- A plan that may not read a table sequentially, such as those of orchestrator doctor, uses this index.
CREATE INDEX IF NOT EXISTS organization_policy_by_rule
    ON connection_paths.organization_policy (rule, organization_id) INCLUDE (min_overlap_days);
COMMENT ON INDEX connection_paths.organization_policy_by_rule IS 'The organizations of a rule';

COMMENT ON TABLE connection_paths.organization_policy IS 'Organizations that make no edges, or only edges from long overlaps. An operator writes it; a trigger queues the change, and sync changes the edges';
COMMENT ON COLUMN connection_paths.organization_policy.organization_id IS 'The organization; it need not exist';
COMMENT ON COLUMN connection_paths.organization_policy.rule IS 'none: the organization makes no edges; long_overlaps: only overlaps of at least min_overlap_days make edges';
COMMENT ON COLUMN connection_paths.organization_policy.min_overlap_days IS 'For long_overlaps: how many days an overlap must have, its first and its last day included; one that goes on counts until today';
COMMENT ON COLUMN connection_paths.organization_policy.reason IS 'Why; for people';

CREATE TABLE IF NOT EXISTS connection_paths.organization_sizes (
    organization_id bigint PRIMARY KEY,
    people integer NOT NULL CONSTRAINT organization_sizes_people CHECK (people > 0),
    counted_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE connection_paths.organization_sizes IS 'How many people are known to have worked at an organization, by size class; edges are computed with it. An organization without a row is counted when it is needed';
COMMENT ON COLUMN connection_paths.organization_sizes.organization_id IS 'The organization; it need not exist';
COMMENT ON COLUMN connection_paths.organization_sizes.people IS 'The size class: 1, 2, 5, 10, 20, 50, 100 and so on';
COMMENT ON COLUMN connection_paths.organization_sizes.counted_at IS 'When the people were last counted, for a class of more than 100; otherwise when the class last changed';

-- The WHERE clause leaves out organizations that make no edges at all. With NOT IN, PostgreSQL hashes the few policies
-- once, which costs nothing when there are none. With NOT EXISTS, it would look up each organization.
CREATE OR REPLACE VIEW connection_paths.live_organizations WITH (security_invoker = true) AS
SELECT
    o.id,
    o.name
FROM connection_paths.known_organizations AS o
WHERE o.id NOT IN (
    SELECT p.organization_id
    FROM connection_paths.organization_policy AS p
    WHERE p.rule = 'none'
);

COMMENT ON VIEW connection_paths.live_organizations IS 'Organizations that exist and may make edges; a work experience at another organization id makes no edge';

-- An edge of the target that a finder passes to search, which then does not read contact_connections.
DO $type$
BEGIN
    CREATE TYPE connection_paths.given_edge AS (
        neighbour_id bigint,
        strength smallint,
        shared_organizations smallint,
        organization_id bigint,
        date_from date,
        date_to date,
        earlier_days integer,
        people integer
    );
EXCEPTION
    WHEN duplicate_object THEN NULL; -- an install that was killed may run this again
END
$type$;

COMMENT ON TYPE connection_paths.given_edge IS 'An edge of the target that a finder passes to search, which then does not read contact_connections';

-- The parameters of a search. The finders check them before they call search.
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
        order_by text,
        kinds connection_paths.connection_kind[],
        min_strength integer,
        ended_after date,
        via_organization_ids bigint[],
        not_via_organization_ids bigint[],
        opener_user_ids bigint[],
        max_per_introducer integer,
        excluded_contact_ids bigint[],
        nobody_is_excluded boolean,
        by_chain boolean,
        deadline timestamptz,
        given_edges connection_paths.given_edge[]
    );
EXCEPTION
    WHEN duplicate_object THEN NULL; -- an install that was killed may run this again
END
$type$;

COMMENT ON TYPE connection_paths.search_request IS 'The parameters of a search, which the finders have checked';

-- What edges are computed from. While company names are resolved, sql/names/employments.sql takes the place of this
-- definition. An installation that runs this migration again to repair something restores that afterwards.
CREATE OR REPLACE VIEW connection_paths.employments WITH (security_invoker = true) AS
SELECT
    e.contact_id,
    e.organization_id,
    e.date_from,
    e.date_to
FROM connection_paths.work_experiences AS e;

COMMENT ON VIEW connection_paths.employments IS 'Who worked where and when: usable work experiences; with orchestrator resolve, also those whose company name is resolved';

-- may_be_asked is a column and not a WHERE clause, because most collections have no row in do_not_ask. A finder checks
-- this once in each call, and then does not read the column. With OFFSET 0 the column is a look-up of one row; without
-- it the planner may hash the whole table.
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

COMMENT ON VIEW connection_paths.introducers IS 'collection_members, and whether each member may be on a path before the target: not when it is in do_not_ask';

-- The default privileges of a database may give PUBLIC rights on new objects.
REVOKE ALL ON TYPE
    connection_paths.connection_kind, connection_paths.given_edge, connection_paths.search_request
FROM PUBLIC;
REVOKE ALL ON TABLE
    connection_paths.contact_connections, connection_paths.contact_connections_live, connection_paths.finder_rollout,
    connection_paths.do_not_ask, connection_paths.introducers, connection_paths.employments,
    connection_paths.organization_policy, connection_paths.organization_sizes, connection_paths.live_organizations
FROM PUBLIC;

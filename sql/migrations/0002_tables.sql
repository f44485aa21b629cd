-- The tables of edges, of the finder of each collection, of who may be asked and of policies of organizations; the
-- types of a search.
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

-- A primary key cannot hold the NULL that means every collection.
CREATE TABLE IF NOT EXISTS connection_paths.do_not_ask (
    collection_id bigint,
    contact_id bigint NOT NULL,
    CONSTRAINT do_not_ask_once UNIQUE NULLS NOT DISTINCT (contact_id, collection_id)
);
CREATE INDEX IF NOT EXISTS do_not_ask_by_collection ON connection_paths.do_not_ask (collection_id) INCLUDE (contact_id);
COMMENT ON INDEX connection_paths.do_not_ask_by_collection IS 'The contacts in the rows of a collection, and whether there is any row';
-- A publication FOR ALL TABLES makes UPDATE and DELETE fail on a table without a replica identity.
ALTER TABLE connection_paths.do_not_ask REPLICA IDENTITY FULL;

COMMENT ON TABLE connection_paths.do_not_ask IS 'Contacts who may not be asked for introductions, in one collection or in all. The application or an operator writes it; every call of a finder reads it';
COMMENT ON COLUMN connection_paths.do_not_ask.collection_id IS 'In which collection; NULL: in every collection';
COMMENT ON COLUMN connection_paths.do_not_ask.contact_id IS 'The contact, who may still be the target';

CREATE TABLE IF NOT EXISTS connection_paths.do_not_ask_users (
    user_id bigint PRIMARY KEY
);

COMMENT ON TABLE connection_paths.do_not_ask_users IS 'Users who open no path, in any collection, not even as the viewer. Their contacts stay members. The application or an operator writes it; every call of a finder reads it';
COMMENT ON COLUMN connection_paths.do_not_ask_users.user_id IS 'The user';

CREATE TABLE IF NOT EXISTS connection_paths.introduction_requests (
    request_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id bigint NOT NULL,
    asking_user_id bigint NOT NULL,
    asked_user_id bigint,
    introducer_contact_id bigint,
    target_contact_id bigint NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    outcome text NOT NULL DEFAULT 'pending' CONSTRAINT introduction_requests_outcome CHECK (
        outcome IN ('pending', 'introduced', 'declined', 'unanswered', 'withdrawn')
    ),
    CONSTRAINT introduction_requests_asks_somebody CHECK (
        asked_user_id IS NOT NULL OR introducer_contact_id IS NOT NULL
    ),
    CONSTRAINT introduction_requests_not_the_target CHECK (introducer_contact_id <> target_contact_id)
);

-- The finders count the requests of an introducer in a window. The other index is for delete_requests.
CREATE INDEX IF NOT EXISTS introduction_requests_by_introducer
    ON connection_paths.introduction_requests (introducer_contact_id, requested_at)
    INCLUDE (collection_id) WHERE outcome <> 'withdrawn';
CREATE INDEX IF NOT EXISTS introduction_requests_by_target
    ON connection_paths.introduction_requests (target_contact_id);
COMMENT ON INDEX connection_paths.introduction_requests_by_introducer IS 'Requests to an introducer, by time, without the withdrawn ones';
COMMENT ON INDEX connection_paths.introduction_requests_by_target IS 'Requests for introductions to a target';

COMMENT ON TABLE connection_paths.introduction_requests IS 'Who asked whom for an introduction to whom: a row for each contact, or user, who was asked. The application writes it; the finders read it where a row of introduction_limits applies';
COMMENT ON COLUMN connection_paths.introduction_requests.request_id IS 'The number of the request';
COMMENT ON COLUMN connection_paths.introduction_requests.collection_id IS 'The collection that the path is in';
COMMENT ON COLUMN connection_paths.introduction_requests.asking_user_id IS 'The user who wants to meet the target';
COMMENT ON COLUMN connection_paths.introduction_requests.asked_user_id IS 'The user who is asked to open the path; NULL: the asking user opens it';
COMMENT ON COLUMN connection_paths.introduction_requests.introducer_contact_id IS 'The contact who is asked to introduce; NULL: only the user is asked, as the target is a contact of that user';
COMMENT ON COLUMN connection_paths.introduction_requests.target_contact_id IS 'The contact to be introduced to';
COMMENT ON COLUMN connection_paths.introduction_requests.requested_at IS 'When the introducer or the user was asked';
COMMENT ON COLUMN connection_paths.introduction_requests.outcome IS 'pending, introduced, declined, unanswered, or withdrawn; a withdrawn request does not count for introduction_limits';

CREATE TABLE IF NOT EXISTS connection_paths.introduction_limits (
    collection_id bigint,
    max_requests integer NOT NULL CONSTRAINT introduction_limits_max_requests CHECK (max_requests >= 1),
    per_days integer NOT NULL CONSTRAINT introduction_limits_per_days CHECK (per_days BETWEEN 1 AND 36525),
    CONSTRAINT introduction_limits_once UNIQUE NULLS NOT DISTINCT (collection_id)
);
-- A publication FOR ALL TABLES makes UPDATE and DELETE fail on a table without a replica identity.
ALTER TABLE connection_paths.introduction_limits REPLICA IDENTITY FULL;

COMMENT ON TABLE connection_paths.introduction_limits IS 'How often an introducer may be asked. Who was asked as often as a limit allows may not be asked again until the window has moved on. An operator writes it';
COMMENT ON COLUMN connection_paths.introduction_limits.collection_id IS 'The collection whose requests are counted, and where the limit applies; NULL: all requests are counted, and the limit applies everywhere. Where both exist, both apply';
COMMENT ON COLUMN connection_paths.introduction_limits.max_requests IS 'After so many requests in the window, an introducer may not be asked again';
COMMENT ON COLUMN connection_paths.introduction_limits.per_days IS 'The length of the window in days, which ends now';

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

CREATE INDEX IF NOT EXISTS organization_sizes_by_count ON connection_paths.organization_sizes (counted_at);
COMMENT ON INDEX connection_paths.organization_sizes_by_count IS 'The organizations whose last count is oldest';

COMMENT ON TABLE connection_paths.organization_sizes IS 'How many people are known to have worked at an organization, by size class; edges are computed with it. An organization without a row is counted when it is needed';
COMMENT ON COLUMN connection_paths.organization_sizes.organization_id IS 'The organization; it need not exist';
COMMENT ON COLUMN connection_paths.organization_sizes.people IS 'The size class: 1, 2, 5, 10, 20, 50, 100 and so on';
COMMENT ON COLUMN connection_paths.organization_sizes.counted_at IS 'When the class last changed, or a later count; sync counts the people again when this is a day ago';

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

-- An edge of a contact, with everything that an answer shows of it.
DO $type$
BEGIN
    CREATE TYPE connection_paths.edge_details AS (
        neighbour_id bigint,
        kind connection_paths.connection_kind,
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

COMMENT ON TYPE connection_paths.edge_details IS 'An edge of a contact, with everything that an answer shows of it';

-- The parameters of a search. checked_request checks them. A statement reads a field faster when the fields before it
-- are of fixed width and not null, so those that are read for each member come first.
DO $type$
BEGIN
    CREATE TYPE connection_paths.search_request AS (
        target_contact_id bigint,
        collection_id bigint,
        viewer_user_id bigint,
        max_depth integer,
        max_found integer,
        nobody_is_excluded boolean,
        has_limits boolean,
        by_chain boolean,
        is_filtered boolean,
        opener_user_ids bigint[],
        closed_user_ids bigint[],
        max_edges_per_hop integer,
        max_per_introducer integer,
        order_by text,
        seed_scope text,
        kinds connection_paths.connection_kind[],
        min_strength integer,
        ended_after date,
        via_organization_ids bigint[],
        not_via_organization_ids bigint[],
        excluded_contact_ids bigint[],
        deadline timestamptz,
        given_edges connection_paths.edge_details[]
    );
EXCEPTION
    WHEN duplicate_object THEN NULL; -- an install that was killed may run this again
END
$type$;

COMMENT ON TYPE connection_paths.search_request IS 'The parameters of a search, which the finders have checked';

-- A chain of a search, or a path that it found: the contacts, the target last, and the user of a path. rank is the
-- place among the chains of its depth: see longer_rank.
DO $type$
BEGIN
    CREATE TYPE connection_paths.ranked_chain AS (
        contact_ids bigint[],
        user_id bigint,
        rank bigint
    );
EXCEPTION
    WHEN duplicate_object THEN NULL; -- an install that was killed may run this again
END
$type$;

COMMENT ON TYPE connection_paths.ranked_chain IS 'A chain of a search, or a path that it found, with its place among those of its depth';

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

-- The default privileges of a database may give PUBLIC rights on new objects.
REVOKE ALL ON TYPE
    connection_paths.connection_kind, connection_paths.edge_details, connection_paths.search_request,
    connection_paths.ranked_chain
FROM PUBLIC;
REVOKE ALL ON SEQUENCE connection_paths.introduction_requests_request_id_seq FROM PUBLIC;
REVOKE ALL ON TABLE
    connection_paths.contact_connections, connection_paths.contact_connections_live, connection_paths.finder_rollout,
    connection_paths.do_not_ask, connection_paths.do_not_ask_users, connection_paths.introduction_requests,
    connection_paths.introduction_limits, connection_paths.employments,
    connection_paths.organization_policy, connection_paths.organization_sizes, connection_paths.live_organizations
FROM PUBLIC;

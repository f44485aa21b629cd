-- The tables of backfills (runs and their batches), of the queue of changes, of detached tables and of rebuilds.
-- depends: 0005_functions

CREATE SEQUENCE IF NOT EXISTS connection_paths.backfill_worker_ids AS integer CYCLE;

COMMENT ON SEQUENCE connection_paths.backfill_worker_ids IS 'The numbers of workers; a worker''s session holds an advisory lock under its number until it ends';

CREATE TABLE IF NOT EXISTS connection_paths.backfill_runs (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    strategy text NOT NULL CONSTRAINT backfill_runs_strategy CHECK (strategy IN ('in_place', 'rebuild')),
    status text NOT NULL DEFAULT 'running' CONSTRAINT backfill_runs_status CHECK (
        status IN ('running', 'paused', 'cancelled', 'succeeded', 'succeeded with exceptions')
    ),
    is_active boolean NOT NULL GENERATED ALWAYS AS (status IN ('running', 'paused')) STORED,
    phase text NOT NULL DEFAULT 'filling' CONSTRAINT backfill_runs_phase CHECK (
        phase IN ('filling', 'indexing', 'exchanged', 'finished')
    ),
    max_workers integer CONSTRAINT backfill_runs_max_workers CHECK (max_workers >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT session_user,
    finished_at timestamptz,
    finishing_worker_id integer,
    processes jsonb NOT NULL DEFAULT '{}',
    receipt jsonb,
    CONSTRAINT backfill_runs_state CHECK (
        CASE
            WHEN is_active THEN phase <> 'finished'
            WHEN status = 'cancelled' THEN true -- with another phase than finished: cancel_run has to clean up
            ELSE phase = 'finished'
        END
        AND (strategy = 'rebuild' OR phase IN ('filling', 'finished'))
    )
);

-- At most one run is active. A second `orchestrator backfill` joins it.
CREATE UNIQUE INDEX IF NOT EXISTS backfill_runs_one_active
    ON connection_paths.backfill_runs (is_active)
    WHERE is_active;

-- All legal transitions of a run: docs/explanation/runs.md draws them, and each is made by one function.
CREATE OR REPLACE TRIGGER refuse_transition
    BEFORE UPDATE ON connection_paths.backfill_runs
    FOR EACH ROW WHEN (
        OLD.status <> NEW.status
        AND (OLD.status, NEW.status) NOT IN (
            ('running', 'paused'), -- pause_run
            ('paused', 'running'), -- resume_run
            ('running', 'cancelled'), ('paused', 'cancelled'), -- request_cancel
            ('running', 'succeeded'), ('paused', 'succeeded'), -- finish_run
            ('running', 'succeeded with exceptions'), ('paused', 'succeeded with exceptions')
        )
        OR OLD.phase <> NEW.phase
        AND (OLD.phase, NEW.phase) NOT IN (
            ('filling', 'indexing'), -- begin_indexing
            ('indexing', 'exchanged'), -- mark_exchanged
            ('filling', 'finished'), ('indexing', 'finished'), ('exchanged', 'finished') -- finish_run, cancel_run
        )
        OR NEW.status IN ('succeeded', 'succeeded with exceptions')
        AND (NEW.phase <> 'finished' OR NEW.strategy = 'rebuild' AND OLD.phase IN ('filling', 'indexing'))
        OR NEW.status IN ('running', 'paused') AND NEW.phase = 'finished' -- is_active is not computed yet
        OR NEW.strategy = 'in_place' AND NEW.phase IN ('indexing', 'exchanged')
    )
    EXECUTE FUNCTION connection_paths.refuse_transition();

COMMENT ON TABLE connection_paths.backfill_runs IS 'Backfills. Operators call pause_run, resume_run, cancel_run and set_max_workers; workers obey them before every batch';
COMMENT ON COLUMN connection_paths.backfill_runs.status IS 'running or paused: active; cancelled, succeeded or succeeded with exceptions: over';
COMMENT ON COLUMN connection_paths.backfill_runs.is_active IS 'Whether the run is running or paused; at most one run is';
COMMENT ON COLUMN connection_paths.backfill_runs.phase IS 'filling: batches are done; indexing, exchanged: steps of a rebuild after its batches; finished: nothing is left to do';
COMMENT ON COLUMN connection_paths.backfill_runs.max_workers IS 'How many workers of all processes and machines may work at the same time; NULL: no limit';
COMMENT ON COLUMN connection_paths.backfill_runs.finishing_worker_id IS 'The worker that does the last steps of the run, after its batches; when it dies, another worker may take its place';
COMMENT ON COLUMN connection_paths.backfill_runs.processes IS 'The latest report of each orchestrator process: its workers, why fewer of them work, and when it reported';
COMMENT ON COLUMN connection_paths.backfill_runs.receipt IS 'The report that finish_run was called with: latencies before and during the run, and how long it was throttled';

-- A batch holds the contacts with ids above one bound and up to another; NULL is no bound. The batches of a run cover
-- every bigint exactly once. The constraints enforce that: each lower bound is the upper bound of exactly one other
-- batch, except for the one batch that has no lower bound. They do not prevent the deletion of the last batch, but no
-- code deletes batches.
CREATE TABLE IF NOT EXISTS connection_paths.backfill_batches (
    run_id bigint NOT NULL REFERENCES connection_paths.backfill_runs ON DELETE CASCADE,
    batch_id bigint GENERATED ALWAYS AS IDENTITY,
    above_contact_id bigint,
    upto_contact_id bigint,
    predicted_edges bigint NOT NULL,
    status text NOT NULL DEFAULT 'pending' CONSTRAINT backfill_batches_status CHECK (
        status IN ('pending', 'claimed', 'done', 'set aside')
    ),
    attempts integer NOT NULL DEFAULT 0,
    deaths integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    retries integer NOT NULL DEFAULT 0,
    worker_id integer,
    claimed_at timestamptz,
    finished_at timestamptz,
    edges_changed bigint,
    contact_id bigint,
    error text,
    PRIMARY KEY (run_id, batch_id),
    CONSTRAINT backfill_batches_not_empty CHECK (above_contact_id < upto_contact_id),
    CONSTRAINT backfill_batches_one_begins UNIQUE NULLS NOT DISTINCT (run_id, above_contact_id),
    CONSTRAINT backfill_batches_one_ends UNIQUE NULLS NOT DISTINCT (run_id, upto_contact_id),
    CONSTRAINT backfill_batches_no_gap FOREIGN KEY (run_id, above_contact_id)
        REFERENCES connection_paths.backfill_batches (run_id, upto_contact_id)
        DEFERRABLE INITIALLY DEFERRED
);

-- claim_batch looks for the first batch that is pending or claimed.
CREATE INDEX IF NOT EXISTS backfill_batches_open
    ON connection_paths.backfill_batches (run_id, above_contact_id NULLS FIRST)
    WHERE status IN ('pending', 'claimed');

-- All legal transitions of a batch. When another worker claims the batch of a dead worker, the
-- batch stays claimed.
CREATE OR REPLACE TRIGGER refuse_transition
    BEFORE UPDATE ON connection_paths.backfill_batches
    FOR EACH ROW WHEN (
        OLD.status <> NEW.status
        AND (OLD.status, NEW.status) NOT IN (
            ('pending', 'claimed'), -- claim_batch
            ('claimed', 'done'), -- do_batch
            ('claimed', 'pending'), -- fail_batch, split_batch
            ('claimed', 'set aside') -- set_aside_batch
        )
    )
    EXECUTE FUNCTION connection_paths.refuse_transition();

COMMENT ON TABLE connection_paths.backfill_batches IS 'The batches of each run: ranges of contact ids (above, upto], each with its state';
COMMENT ON COLUMN connection_paths.backfill_batches.status IS 'pending, claimed by a worker, done, or set aside with an error';
COMMENT ON COLUMN connection_paths.backfill_batches.attempts IS 'How often the batch was claimed. do_batch and fail_batch need the latest number, so an earlier claim writes nothing';
COMMENT ON COLUMN connection_paths.backfill_batches.deaths IS 'How many workers died with the batch since it got its range; the fifth death splits it';
COMMENT ON COLUMN connection_paths.backfill_batches.failures IS 'How many errors the batch had, also before it was split';
COMMENT ON COLUMN connection_paths.backfill_batches.retries IS 'How many transient errors the batch had since it got its range; the fifth splits it';
COMMENT ON COLUMN connection_paths.backfill_batches.worker_id IS 'The worker that claimed the batch last';
COMMENT ON COLUMN connection_paths.backfill_batches.contact_id IS 'The contact of a batch that was set aside';

-- The progress of each run. It is measured in predicted edges, because some contacts have many more edges than others.
CREATE OR REPLACE VIEW connection_paths.backfill_progress WITH (security_invoker = true) AS
SELECT
    r.run_id,
    r.strategy,
    r.status,
    r.is_active,
    r.phase,
    r.max_workers,
    r.created_at,
    r.created_by,
    r.finished_at,
    b.batches,
    b.batches_done,
    b.batches_open,
    b.batches_claimed,
    b.batches_set_aside,
    b.predicted_edges,
    b.predicted_done,
    b.edges_changed,
    b.attempts,
    b.failures,
    b.seconds_filling,
    b.recent_predicted,
    b.recent_seconds,
    (
        SELECT COALESCE(jsonb_object_agg(p.key, p.value), '{}')
        FROM jsonb_each(r.processes) AS p
        WHERE (p.value ->> 'at')::timestamptz > clock_timestamp() - interval '15 s'
    ) AS processes,
    r.receipt
FROM connection_paths.backfill_runs AS r
CROSS JOIN LATERAL (
    SELECT
        count(*) AS batches,
        count(*) FILTER (WHERE s.status = 'done') AS batches_done,
        count(*) FILTER (WHERE s.status IN ('pending', 'claimed')) AS batches_open,
        count(*) FILTER (WHERE s.status = 'claimed') AS batches_claimed,
        count(*) FILTER (WHERE s.status = 'set aside') AS batches_set_aside,
        COALESCE(sum(s.predicted_edges), 0)::bigint AS predicted_edges,
        COALESCE(sum(s.predicted_edges) FILTER (WHERE s.status IN ('done', 'set aside')), 0)::bigint AS predicted_done,
        COALESCE(sum(s.edges_changed), 0)::bigint AS edges_changed,
        sum(s.attempts) AS attempts,
        sum(s.failures) AS failures,
        extract(epoch FROM max(s.finished_at) - min(s.claimed_at))::double precision AS seconds_filling,
        COALESCE(sum(s.predicted_edges) FILTER (WHERE s.finished_at > clock_timestamp() - interval '30 s'), 0)::bigint
            AS recent_predicted,
        LEAST(30, extract(epoch FROM clock_timestamp() - min(s.claimed_at)))::double precision AS recent_seconds
    FROM connection_paths.backfill_batches AS s
    WHERE s.run_id = r.run_id
) AS b;

COMMENT ON VIEW connection_paths.backfill_progress IS 'The progress of each run, in batches and in predicted edges';

-- No index and no constraint, so that writers never wait for each other. Rows stay for a short time, so a sequential
-- scan reads a page or two.
CREATE TABLE IF NOT EXISTS connection_paths.contact_changes (
    contact_id bigint,
    organization_id bigint,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    failures smallint NOT NULL DEFAULT 0,
    has_failed boolean NOT NULL DEFAULT false,
    error text,
    smaller_ends_only boolean NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 1);

COMMENT ON TABLE connection_paths.contact_changes IS 'The queue of changes: each row is a contact, an organization, or (both NULL) every contact. sync_changes takes the rows';
COMMENT ON COLUMN connection_paths.contact_changes.written_by IS 'The transaction that made the change; sync_changes waits for refreshes that may not have seen it';
COMMENT ON COLUMN connection_paths.contact_changes.failures IS 'How often the refresh of the contact has failed';
COMMENT ON COLUMN connection_paths.contact_changes.smaller_ends_only IS 'Whether only the edges whose smaller contact is this one need a refresh, because the other contacts of the change are queued, too';
COMMENT ON COLUMN connection_paths.contact_changes.has_failed IS 'Whether the refresh has failed three times, so that it is tried again only on request';

-- A publication FOR ALL TABLES makes UPDATE and DELETE fail on a table without a replica identity, and there is no key.
ALTER TABLE connection_paths.contact_changes REPLICA IDENTITY FULL;

-- Not part of contact_changes, so that contacts which are not due yet are neither read nor counted as waiting.
CREATE TABLE IF NOT EXISTS connection_paths.due_changes (
    contact_id bigint PRIMARY KEY,
    due_on date NOT NULL
);

CREATE INDEX IF NOT EXISTS due_changes_due_on ON connection_paths.due_changes (due_on);

COMMENT ON TABLE connection_paths.due_changes IS 'Contacts whose next work experience starts on a day in the future; sync_changes queues each of them on that day';

-- No index, no constraint and a replica identity, for the same reasons as contact_changes.
CREATE TABLE IF NOT EXISTS connection_paths.capture_failures (
    table_oid oid NOT NULL,
    table_name text NOT NULL,
    error text NOT NULL,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    failed_at timestamptz NOT NULL DEFAULT now(),
    closed_by xid8,
    awaited xid8
);
ALTER TABLE connection_paths.capture_failures REPLICA IDENTITY FULL;

COMMENT ON TABLE connection_paths.capture_failures IS 'Tables of which a trigger could not queue a change; recover_capture queues every contact once the trigger works again';
COMMENT ON COLUMN connection_paths.capture_failures.closed_by IS 'The transaction that found that the triggers work again; later failures get another row';
COMMENT ON COLUMN connection_paths.capture_failures.awaited IS 'When all transactions before this one have ended, no missed change can be committed later';

CREATE TABLE IF NOT EXISTS connection_paths.detached_sources (
    table_name text PRIMARY KEY,
    view_name text NOT NULL,
    table_schema text NOT NULL,
    relation_name text NOT NULL,
    table_oid oid NOT NULL,
    view_definition text NOT NULL,
    named_definition text,
    triggers text[] NOT NULL,
    indexes jsonb NOT NULL,
    detached_at timestamptz NOT NULL DEFAULT now(),
    detached_by text NOT NULL DEFAULT session_user
);

COMMENT ON TABLE connection_paths.detached_sources IS 'Tables of the application that detach_source has detached, and the definitions that attach_source restores';
COMMENT ON COLUMN connection_paths.detached_sources.table_name IS 'The source that the table is, such as contacts';
COMMENT ON COLUMN connection_paths.detached_sources.relation_name IS 'The name of the table in its schema';
COMMENT ON COLUMN connection_paths.detached_sources.named_definition IS 'The query of the view named_experiences; NULL: it does not read the table';
COMMENT ON COLUMN connection_paths.detached_sources.triggers IS 'The statements that create the triggers of the package on the table';
COMMENT ON COLUMN connection_paths.detached_sources.indexes IS 'By name, the statements that build each index of the package on the table and comment on it';

CREATE TABLE IF NOT EXISTS connection_paths.rebuild_replays (
    contact_id bigint
);
ALTER TABLE connection_paths.rebuild_replays REPLICA IDENTITY FULL;

COMMENT ON TABLE connection_paths.rebuild_replays IS 'Contacts (NULL: every contact) that were refreshed, inserted or deleted during a rebuild; exchange_rebuild queues them again';

CREATE TABLE IF NOT EXISTS connection_paths.rebuild_missing_contacts (
    contact_id bigint NOT NULL
);
ALTER TABLE connection_paths.rebuild_missing_contacts REPLICA IDENTITY FULL;

COMMENT ON TABLE connection_paths.rebuild_missing_contacts IS 'Contacts that had work experiences and did not exist when a rebuild began; they have no edges';

CREATE TABLE IF NOT EXISTS connection_paths.rebuild_other_kinds (
    contact_a_id bigint NOT NULL,
    contact_b_id bigint NOT NULL,
    kind connection_paths.connection_kind NOT NULL
);
ALTER TABLE connection_paths.rebuild_other_kinds REPLICA IDENTITY FULL;

COMMENT ON TABLE connection_paths.rebuild_other_kinds IS 'Edges of other kinds that were written during a rebuild; exchange_rebuild copies them';

-- A change of a policy changes edges, so it is queued.
CREATE OR REPLACE TRIGGER policy_inserted
    AFTER INSERT ON connection_paths.organization_policy
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_policy_changes();
CREATE OR REPLACE TRIGGER policy_updated
    AFTER UPDATE ON connection_paths.organization_policy
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_policy_changes();
CREATE OR REPLACE TRIGGER policy_deleted
    AFTER DELETE ON connection_paths.organization_policy
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_policy_changes();
CREATE OR REPLACE TRIGGER policy_truncated
    AFTER TRUNCATE ON connection_paths.organization_policy
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_policy_changes();

REVOKE ALL ON SEQUENCE
    connection_paths.backfill_worker_ids, connection_paths.backfill_runs_run_id_seq,
    connection_paths.backfill_batches_batch_id_seq
FROM PUBLIC;
REVOKE ALL ON TABLE
    connection_paths.backfill_runs, connection_paths.backfill_batches, connection_paths.backfill_progress,
    connection_paths.contact_changes, connection_paths.due_changes, connection_paths.rebuild_replays,
    connection_paths.rebuild_missing_contacts, connection_paths.rebuild_other_kinds, connection_paths.capture_failures,
    connection_paths.detached_sources
FROM PUBLIC;

-- The tables of company names: what was proposed, what was decided, and who decided it.
-- depends: 0008_capture_changes

CREATE TABLE IF NOT EXISTS connection_paths.legal_forms (
    form text COLLATE "C" PRIMARY KEY,
    last_word text COLLATE "C" NOT NULL,
    words integer NOT NULL
);

CREATE INDEX IF NOT EXISTS legal_forms_last_word ON connection_paths.legal_forms (last_word);

COMMENT ON TABLE connection_paths.legal_forms IS 'Legal forms such as gmbh and and co kg, as plain_name writes them; orchestrator resolve fills the table from the Python library cleanco';

CREATE TABLE IF NOT EXISTS connection_paths.organization_names (
    organization_id bigint PRIMARY KEY,
    name text NOT NULL,
    words text COLLATE "C" NOT NULL,
    full_key text COLLATE "C" NOT NULL,
    short_key text COLLATE "C" NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS organization_names_full_key ON connection_paths.organization_names (full_key);
CREATE INDEX IF NOT EXISTS organization_names_short_key ON connection_paths.organization_names (short_key);

COMMENT ON TABLE connection_paths.organization_names IS 'The names of known_organizations in the forms that are compared; orchestrator resolve propose keeps it up to date';
COMMENT ON COLUMN connection_paths.organization_names.name IS 'The first 200 characters of the name';
COMMENT ON COLUMN connection_paths.organization_names.words IS 'The name as plain_name writes it, without its legal form';
COMMENT ON COLUMN connection_paths.organization_names.full_key IS 'The name as plain_name writes it, without spaces';
COMMENT ON COLUMN connection_paths.organization_names.short_key IS 'words without spaces';

CREATE TABLE IF NOT EXISTS connection_paths.organization_keys (
    key bigint NOT NULL,
    organization_id bigint NOT NULL,
    PRIMARY KEY (key, organization_id)
);

CREATE INDEX IF NOT EXISTS organization_keys_organization ON connection_paths.organization_keys (organization_id);

COMMENT ON TABLE connection_paths.organization_keys IS 'The keys (name_keys) of the names in organization_names; organizations with similar names are found by them';

CREATE TABLE IF NOT EXISTS connection_paths.organization_words (
    form bigint NOT NULL,
    word text COLLATE "C" NOT NULL,
    PRIMARY KEY (form, word)
);

COMMENT ON TABLE connection_paths.organization_words IS 'The words of names of organizations, each with its typing_forms; words with a mistake of typing are found by them';

CREATE TABLE IF NOT EXISTS connection_paths.company_names (
    company_name text COLLATE "C" PRIMARY KEY,
    experiences bigint NOT NULL,
    words text COLLATE "C" NOT NULL,
    full_key text COLLATE "C" NOT NULL,
    short_key text COLLATE "C" NOT NULL,
    proposed_at timestamptz,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS company_names_short_key ON connection_paths.company_names (short_key);
CREATE INDEX IF NOT EXISTS company_names_to_propose
    ON connection_paths.company_names (changed_at, company_name)
    WHERE proposed_at IS NULL;

COMMENT ON TABLE connection_paths.company_names IS 'The distinct company names of work experiences without an organization; orchestrator resolve propose keeps it up to date, and sync adds new ones';
COMMENT ON COLUMN connection_paths.company_names.company_name IS 'The name in exactly this spelling';
COMMENT ON COLUMN connection_paths.company_names.experiences IS 'How many usable work experiences had this name when it was added, or at the latest orchestrator resolve propose';
COMMENT ON COLUMN connection_paths.company_names.proposed_at IS 'When candidates were looked for; NULL: not yet, or an organization with this name is new';
COMMENT ON COLUMN connection_paths.company_names.changed_at IS 'When the change was made that brought the name, or the organization with this name';

CREATE TABLE IF NOT EXISTS connection_paths.name_proposals (
    company_name text COLLATE "C" NOT NULL,
    place smallint NOT NULL,
    organization_id bigint NOT NULL,
    score real NOT NULL,
    reason text NOT NULL CONSTRAINT name_proposals_reason CHECK (reason IN ('same name', 'other legal form', 'similar')),
    PRIMARY KEY (company_name, place)
);

COMMENT ON TABLE connection_paths.name_proposals IS 'Up to five candidates for each company name, the best one in place 1';
COMMENT ON COLUMN connection_paths.name_proposals.score IS '1: the same name; otherwise the similarity of the trigrams, without legal forms';
COMMENT ON COLUMN connection_paths.name_proposals.reason IS 'same name; other legal form: the same name with another legal form or without one; similar: similar trigrams';

CREATE TABLE IF NOT EXISTS connection_paths.proposal_settings (
    has_settings boolean PRIMARY KEY DEFAULT true CONSTRAINT proposal_settings_one_row CHECK (has_settings),
    min_score real NOT NULL,
    accepts_unique boolean NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE connection_paths.proposal_settings IS 'The options of the latest complete orchestrator resolve propose, in one row. sync looks for candidates of new company names with the same options. No row: sync looks for none';
COMMENT ON COLUMN connection_paths.proposal_settings.min_score IS 'The least similarity of a candidate';
COMMENT ON COLUMN connection_paths.proposal_settings.accepts_unique IS 'Whether a name that only one organization has is accepted';

CREATE TABLE IF NOT EXISTS connection_paths.name_decisions (
    company_name text COLLATE "C" PRIMARY KEY,
    organization_id bigint,
    method text NOT NULL DEFAULT 'person' CONSTRAINT name_decisions_method CHECK (method IN ('person', 'unique')),
    score real,
    batch_id bigint,
    decided_by text NOT NULL DEFAULT session_user,
    decided_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS name_decisions_organization
    ON connection_paths.name_decisions (organization_id) INCLUDE (company_name)
    WHERE organization_id IS NOT NULL;

COMMENT ON TABLE connection_paths.name_decisions IS 'Which organization a company name means. Write it with orchestrator resolve or with SQL; sync then makes the edges';
COMMENT ON COLUMN connection_paths.name_decisions.company_name IS 'The name in exactly this spelling';
COMMENT ON COLUMN connection_paths.name_decisions.organization_id IS 'The organization; NULL: the name is rejected and means no organization';
COMMENT ON COLUMN connection_paths.name_decisions.method IS 'person: somebody decided; unique: accepted as the only organization of this name';
COMMENT ON COLUMN connection_paths.name_decisions.score IS 'The score of the proposal that was accepted, if it was one';
COMMENT ON COLUMN connection_paths.name_decisions.batch_id IS 'Decisions of one command have the same number; orchestrator resolve undo --batch takes it';

CREATE TABLE IF NOT EXISTS connection_paths.name_decision_history (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_name text COLLATE "C" NOT NULL,
    before jsonb,
    after jsonb,
    batch_id bigint,
    changed_by text NOT NULL DEFAULT session_user,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX IF NOT EXISTS name_decision_history_name
    ON connection_paths.name_decision_history (company_name, change_id);
CREATE INDEX IF NOT EXISTS name_decision_history_batch
    ON connection_paths.name_decision_history (batch_id, company_name)
    WHERE batch_id IS NOT NULL;

COMMENT ON TABLE connection_paths.name_decision_history IS 'Every change of name_decisions; undo_name_decisions reads it';
COMMENT ON COLUMN connection_paths.name_decision_history.before IS 'The row before the change; NULL: there was none';
COMMENT ON COLUMN connection_paths.name_decision_history.after IS 'The row after the change; NULL: it was deleted';

CREATE SEQUENCE IF NOT EXISTS connection_paths.name_batch_ids;

COMMENT ON SEQUENCE connection_paths.name_batch_ids IS 'Numbers of batches of name decisions';

-- No index and a replica identity, for the same reasons as contact_changes.
CREATE TABLE IF NOT EXISTS connection_paths.name_changes (
    company_name text COLLATE "C" NOT NULL,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE connection_paths.name_changes REPLICA IDENTITY FULL;

COMMENT ON TABLE connection_paths.name_changes IS 'The queue of company names whose decision has changed; sync_changes replaces each row by rows for its contacts';

CREATE OR REPLACE TRIGGER queue_inserted_names
    AFTER INSERT ON connection_paths.name_decisions
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_decided_names();
CREATE OR REPLACE TRIGGER queue_updated_names
    AFTER UPDATE ON connection_paths.name_decisions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_decided_names();
CREATE OR REPLACE TRIGGER queue_deleted_names
    AFTER DELETE ON connection_paths.name_decisions
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_decided_names();
CREATE OR REPLACE TRIGGER queue_truncated_names
    BEFORE TRUNCATE ON connection_paths.name_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_decided_names();

REVOKE ALL ON SEQUENCE
    connection_paths.name_batch_ids, connection_paths.name_decision_history_change_id_seq
FROM PUBLIC;
REVOKE ALL ON TABLE
    connection_paths.legal_forms, connection_paths.organization_names, connection_paths.organization_keys,
    connection_paths.organization_words, connection_paths.company_names,
    connection_paths.name_proposals, connection_paths.proposal_settings, connection_paths.name_decisions,
    connection_paths.name_decision_history, connection_paths.name_changes
FROM PUBLIC;

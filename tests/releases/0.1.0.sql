-- connection_paths 0.1.0 in one file. It does what `orchestrator install` does, without Python:
--
--     psql -v host_schema=app -f THIS_FILE
--
--     host_schema    The schema of contacts, organizations and so on. Without it: that of the last install, or public.
--     no_triggers    With -v no_triggers=1, changes of the tables are not captured.
--
-- Run it as the owner of the application's tables. Do not run it in a transaction (no -1), because it builds indexes on
-- these tables concurrently. After an interruption, run it again: it continues. It does not repair an
-- installation that somebody has changed. For that, run `orchestrator install`, which recognizes this installation.
\set ON_ERROR_STOP on
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT on
\set FETCH_COUNT 0
SET search_path = pg_catalog, pg_temp;
-- override the settings of the role and of the database; they are reset at the end
SELECT count(set_config(s.name, v.value, false)) AS settings
FROM (
    VALUES
        ('search_path', 'pg_catalog, pg_temp'),
        ('client_min_messages', 'warning'),
        ('DateStyle', 'ISO, MDY'),
        ('IntervalStyle', 'postgres'),
        ('bytea_output', 'hex'),
        ('extra_float_digits', '1'),
        ('quote_all_identifiers', 'off'),
        ('standard_conforming_strings', 'on'),
        ('transform_null_equals', 'off'),
        ('array_nulls', 'on'),
        ('row_security', 'on'),
        ('jit', 'off'),
        ('statement_timeout', '0'),
        ('lock_timeout', '0'),
        ('idle_session_timeout', '0'),
        ('idle_in_transaction_session_timeout', '0'),
        ('transaction_timeout', '0'),
        ('default_transaction_isolation', 'read committed'),
        ('default_transaction_read_only', 'off'),
        ('default_transaction_deferrable', 'off')
) AS v (name, value)
JOIN pg_settings AS s ON s.name = v.name \gset
-- on a coordinator of Citus: create nothing on the workers; other servers ignore this setting
SET citus.enable_ddl_propagation = off;
SELECT to_regclass('connection_paths.installation') IS NOT NULL AS is_known \gset
\if :{?host_schema}
\elif :is_known
    SELECT i.host_schema FROM connection_paths.installation AS i \gset
\endif
\if :{?host_schema}
\else
    \set host_schema public
\endif
SELECT set_config('connection_paths.host_schema', :'host_schema', false) AS host_schema \gset
-- Only one install runs at a time. Any role can hold this lock; the lock of a role that may not install is ignored.
SELECT pg_try_advisory_lock(7165066952780641384) AS alone \gset
\if :alone
\else
    DO $alone$
    BEGIN
        IF EXISTS (
-- Returns the process id of an installation script that is running; no row if there is none. The script holds an
-- advisory lock. Any role can take that lock, so the lock of a role that may not install is ignored.
--
-- Parameters: key.
SELECT l.pid
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'connection_paths'
WHERE l.locktype = 'advisory'
    AND l.database = a.datid
    AND a.datname = current_database()
    AND l.objsubid = 1
    AND l.classid = (7165066952780641384::bigint >> 32)::oid
    AND l.objid = (7165066952780641384::bigint & 4294967295)::oid
    AND l.granted
    AND l.pid <> pg_backend_pid()
    AND CASE
        WHEN n.oid IS NULL THEN has_database_privilege(a.usesysid, a.datid, 'CREATE'::text)
        ELSE pg_has_role(a.usesysid, n.nspowner, 'USAGE'::text)
    END
LIMIT 1
        ) THEN
            RAISE EXCEPTION 'another install or uninstall is under way';
        END IF;
        RAISE WARNING 'a role that may not install holds the lock of installations; going on without it';
    END
    $alone$;
\endif
-- read again, because `orchestrator install` may have created the table meanwhile
SELECT to_regclass('connection_paths.installation') IS NOT NULL AS is_known \gset
\if :is_known
    DO $alone$
    BEGIN
        LOCK TABLE connection_paths.installation IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    EXCEPTION
        WHEN lock_not_available THEN
            RAISE EXCEPTION 'another install or uninstall is under way';
    END
    $alone$;
\endif
SELECT EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'connection_paths') AS is_extension \gset
\if :is_extension
    DO $extension$ BEGIN RAISE EXCEPTION 'connection_paths is an extension here'; END $extension$;
\endif

\if :is_known
    DO $mapping$
    BEGIN
        IF EXISTS (
            SELECT
            FROM connection_paths.installation AS i
            WHERE NOT EXISTS (
                SELECT FROM unnest(ARRAY[NULL, NULL]::jsonb[]) AS m (mapping) WHERE m.mapping IS NOT DISTINCT FROM i.mapping
            )
        ) THEN
            RAISE EXCEPTION 'this script is for another mapping than the one that is installed'
                USING HINT = 'Print the script with the options --map and --names that fit. To change the mapping of an installation, run orchestrator install --map.';
        END IF;
    END
    $mapping$;
\endif
DO $check$
DECLARE
    problems text;
    culprit text;
BEGIN
    IF current_setting('server_version_num')::integer < 15 * 10000 THEN
        RAISE EXCEPTION 'the server is PostgreSQL %; 15 or newer is needed', current_setting('server_version');
    END IF;
    SELECT string_agg(p.problem, '; ') INTO problems FROM (
-- Returns the reasons why the package cannot be installed for the tables of a schema, one row per problem.
--
-- Parameters: host_schema; sources (JSON, see orchestrator/host/sources.py: asked); triggers, indexes (the names of the
-- package's triggers and indexes on these tables).
WITH required AS (
    SELECT s."table" AS table_name, COALESCE(s."schema", current_setting('connection_paths.host_schema')::text) AS schema_name, s.captured, s.columns
    FROM jsonb_to_recordset('[{"source": "contacts", "view": "live_contacts", "schema": null, "table": "contacts", "captured": true, "columns": {"id": ["bigint", "integer", "smallint"], "name": ["text", "character varying"]}}, {"source": "organizations", "view": "known_organizations", "schema": null, "table": "organizations", "captured": true, "columns": {"id": ["bigint", "integer", "smallint"], "name": ["text", "character varying"]}}, {"source": "contact_work_experiences", "view": "work_experiences", "schema": null, "table": "contact_work_experiences", "captured": true, "columns": {"id": ["bigint", "integer", "smallint"], "contact_id": ["bigint", "integer", "smallint"], "organization_id": ["bigint", "integer", "smallint"], "date_from": ["date"], "date_to": ["date"]}}, {"source": "user_contact_collections", "view": "collection_members", "schema": null, "table": "user_contact_collections", "captured": false, "columns": {"user_id": ["bigint", "integer", "smallint"], "contact_id": ["bigint", "integer", "smallint"], "collection_id": ["bigint", "integer", "smallint"], "source": null}}]'::jsonb) AS s ("schema" text, "table" text, captured boolean, columns jsonb)
),
found AS (
    SELECT
        r.schema_name, r.table_name, r.captured, c.oid, c.relkind, c.relispartition,
        CASE r.schema_name
            WHEN current_setting('connection_paths.host_schema')::text THEN quote_ident(r.table_name)
            ELSE quote_ident(r.schema_name) || '.' || quote_ident(r.table_name)
        END AS name
    FROM required AS r
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = r.schema_name
    LEFT JOIN pg_catalog.pg_class AS c
        ON c.relnamespace = n.oid AND c.relname = r.table_name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
)
SELECT 'it is not a schema for tables of an application'::text
WHERE current_setting('connection_paths.host_schema') IN ('connection_paths', 'pg_catalog', 'information_schema', 'pg_toast')
    OR starts_with(current_setting('connection_paths.host_schema'), 'pg_temp_') OR starts_with(current_setting('connection_paths.host_schema'), 'pg_toast_temp_')
UNION ALL
SELECT format('table %s is missing', f.name)
FROM found AS f
WHERE f.oid IS NULL
UNION ALL
SELECT
    format(
        '%s has child tables, and writes to those would not be captured: %s',
        f.name, string_agg(i.inhrelid::pg_catalog.regclass::text, ', ')
    )
FROM found AS f
JOIN pg_catalog.pg_inherits AS i ON i.inhparent = f.oid
WHERE f.relkind = 'r'
GROUP BY f.name
UNION ALL
SELECT
    format(
        '%s is %s of %s, and writes through that table would not be captured',
        f.name,
        CASE WHEN f.relispartition THEN 'a partition' ELSE 'a child table' END,
        i.inhparent::pg_catalog.regclass
    )
FROM found AS f
JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = f.oid
WHERE f.relkind IN ('r', 'p')
UNION ALL
SELECT
    CASE
        WHEN a.attname IS NULL THEN format('column %s.%I is missing', f.name, e.key)
        ELSE format(
            'column %s.%I is %s, not %s',
            f.name, e.key, format_type(a.atttypid, NULL),
            (SELECT string_agg(t.name, ' or '::text) FROM jsonb_array_elements_text(e.value) AS t (name))
        )
    END
FROM required AS r
JOIN found AS f ON f.schema_name = r.schema_name AND f.table_name = r.table_name AND f.oid IS NOT NULL
CROSS JOIN LATERAL jsonb_each(r.columns) AS e (key, value)
LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = f.oid
    AND a.attname::text = e.key
    AND a.attnum > 0
    AND NOT a.attisdropped
WHERE a.attname IS NULL
    OR (e.value <> 'null'::jsonb AND NOT e.value ? format_type(a.atttypid, NULL))
UNION ALL
SELECT format('table %s has a trigger %I that connection_paths did not create; rename it', f.name, t.tgname)
FROM found AS f
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = f.oid AND t.tgname::text = ANY ('{connection_paths_inserted,connection_paths_updated,connection_paths_deleted,connection_paths_truncated}'::text[])
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname <> 'connection_paths'
UNION ALL
SELECT format(
    'an index (or another relation) %I exists that connection_paths did not create; rename it (if it is the one of'
    || ' connection_paths, restored without its comment: COMMENT ON INDEX %I.%I IS ''connection_paths: restored'')',
    c.relname, n.nspname, c.relname
)
FROM (SELECT DISTINCT r.schema_name FROM required AS r) AS s
JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schema_name
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = ANY ('{idx_contacts_by_id,idx_experiences_by_contact,idx_experiences_by_organization,idx_members_by_collection,idx_organizations_by_id}'::text[])
WHERE NOT COALESCE(starts_with(obj_description(c.oid, 'pg_class'), 'connection_paths: '::text), false)
ORDER BY 1
    ) AS p (problem);
    IF problems IS NOT NULL THEN
        RAISE EXCEPTION 'schema "%" cannot be the host: %', current_setting('connection_paths.host_schema'), problems;
    END IF;
    SELECT s.object INTO culprit FROM (
-- Returns an object in the schema connection_paths if the package did not create that schema. No row if it did, or if
-- the schema is empty or missing. The schema of the package has a comment that begins with 'connection_paths: ', or, if
-- it was restored without comments, a table of migrations.
SELECT format('%s %I', o.kind, o.name) AS object
FROM pg_catalog.pg_namespace AS n
JOIN (
    SELECT c.relnamespace AS namespace, 'relation'::text AS kind, c.relname AS name
    FROM pg_catalog.pg_class AS c
    UNION ALL
    SELECT p.pronamespace, 'function', p.proname FROM pg_catalog.pg_proc AS p
    UNION ALL
    SELECT t.typnamespace, 'type', t.typname FROM pg_catalog.pg_type AS t
    UNION ALL
    SELECT p.oprnamespace, 'operator', p.oprname FROM pg_catalog.pg_operator AS p
) AS o ON o.namespace = n.oid
WHERE n.nspname = 'connection_paths'
    AND NOT COALESCE(starts_with(obj_description(n.oid, 'pg_namespace'), 'connection_paths: '::text), false)
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_class AS m
        WHERE m.relnamespace = n.oid AND m.relname = '_yoyo_migration'
    )
ORDER BY o.kind = 'type', o.kind DESC, o.name
LIMIT 1
    ) AS s;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'schema connection_paths exists and connection_paths did not create it: it contains %', culprit;
    END IF;
    IF to_regclass('connection_paths.edge_shards') IS NOT NULL THEN
        RAISE EXCEPTION 'the edges of this installation are on Citus workers; a script knows the functions of one server only'
            USING HINT = 'Run orchestrator install.';
    END IF;
    SELECT o.rolname INTO culprit FROM (
-- Returns the owner of the schema connection_paths if that role could have put code into it to harm the installer. No
-- row if the schema does not exist, or if its owner has the power to do harm anyway: the installer, a superuser, the
-- owner of the database or of a table of the application, or a group role created by `install --roles`.
--
-- Parameters: host_schema; sources (JSON: schema, NULL for the host schema, and table of each source).
SELECT o.rolname
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner
WHERE n.nspname = 'connection_paths'
    AND NOT o.rolsuper
    AND o.rolname <> current_user
    AND (o.rolcanlogin OR right(o.rolname, 6) <> '_owner')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_database AS d WHERE d.datname = current_database() AND d.datdba = o.oid
    )
    AND NOT EXISTS (
        SELECT
        FROM jsonb_to_recordset('[{"source": "contacts", "view": "live_contacts", "schema": null, "table": "contacts", "captured": true, "columns": {"id": ["bigint", "integer", "smallint"], "name": ["text", "character varying"]}}, {"source": "organizations", "view": "known_organizations", "schema": null, "table": "organizations", "captured": true, "columns": {"id": ["bigint", "integer", "smallint"], "name": ["text", "character varying"]}}, {"source": "contact_work_experiences", "view": "work_experiences", "schema": null, "table": "contact_work_experiences", "captured": true, "columns": {"id": ["bigint", "integer", "smallint"], "contact_id": ["bigint", "integer", "smallint"], "organization_id": ["bigint", "integer", "smallint"], "date_from": ["date"], "date_to": ["date"]}}, {"source": "user_contact_collections", "view": "collection_members", "schema": null, "table": "user_contact_collections", "captured": false, "columns": {"user_id": ["bigint", "integer", "smallint"], "contact_id": ["bigint", "integer", "smallint"], "collection_id": ["bigint", "integer", "smallint"], "source": null}}]'::jsonb) AS s ("schema" text, "table" text)
        JOIN pg_catalog.pg_class AS c ON c.relname = s."table"
        JOIN pg_catalog.pg_namespace AS h ON h.oid = c.relnamespace
        WHERE h.nspname = COALESCE(s."schema", current_setting('connection_paths.host_schema')) AND c.relowner = o.oid
    )
    ) AS o;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'schema connection_paths belongs to %, which could put code into it', culprit;
    END IF;
    SELECT b.nspname INTO culprit FROM (
-- Returns the schema of the tables that the binding views read; no row if the views do not exist.
SELECT DISTINCT n.nspname
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_catalog.pg_class AS t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid AND t.oid <> r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
WHERE r.ev_class = to_regclass('connection_paths.collection_members')
    AND t.relkind <> 'c' -- an expression may use a part of a composite type
    ) AS b;
    IF culprit <> current_setting('connection_paths.host_schema') THEN
        RAISE EXCEPTION 'already installed for host schema "%"; uninstall first to change it', culprit;
    END IF;
END
$check$;
\if :is_known
\else
BEGIN;
-- The schema, and a table with one row that describes the installation. The comment of the table shows that the schema
-- belongs to this package.
--
-- Every install and uninstall holds the SHARE UPDATE EXCLUSIVE lock of this table, in a session of its own. So only one
-- of them runs at a time, and only a role that may write the table can take the lock. No migration alters the table,
-- because it would wait for this lock.
CREATE SCHEMA IF NOT EXISTS connection_paths;

COMMENT ON SCHEMA connection_paths IS 'connection_paths: introduction paths through overlapping careers';

CREATE TABLE IF NOT EXISTS connection_paths.installation (
    is_installation boolean PRIMARY KEY DEFAULT true CONSTRAINT installation_one_row CHECK (is_installation),
    host_schema text NOT NULL,
    has_triggers boolean NOT NULL,
    is_replicated boolean NOT NULL DEFAULT false,
    resolves_names boolean NOT NULL DEFAULT false,
    version text NOT NULL,
    mapping jsonb,
    partitions text[],
    installed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE connection_paths.installation IS 'The latest installation, in one row. An install without options uses the same host schema, mapping and triggers';
COMMENT ON COLUMN connection_paths.installation.host_schema IS 'The schema of the application''s tables';
COMMENT ON COLUMN connection_paths.installation.has_triggers IS 'Whether triggers capture changes of the application''s tables';
COMMENT ON COLUMN connection_paths.installation.is_replicated IS 'Whether they also capture what logical replication writes';
COMMENT ON COLUMN connection_paths.installation.resolves_names IS 'Whether experiences with only a company name make edges, once the name is resolved';
COMMENT ON COLUMN connection_paths.installation.mapping IS 'Which table, columns and rows each source is; NULL: tables of the default names in the host schema';
COMMENT ON COLUMN connection_paths.installation.partitions IS 'The partitions of the application''s tables at the latest installation; when one of them has been dropped, edges of its rows may remain; NULL: not known';
COMMENT ON COLUMN connection_paths.installation.version IS 'The version of the package';

REVOKE ALL ON SCHEMA connection_paths FROM PUBLIC;
REVOKE ALL ON TABLE connection_paths.installation FROM PUBLIC;
COMMIT;
\endif
SET search_path = connection_paths, pg_temp;
\if :{?no_triggers}
    \set captures false
\else
    \set captures true
\endif

-- Stores the choices of this install for the next one. Writes nothing if they have not changed.
--
-- Parameters: host_schema; has_triggers; is_replicated; version; mapping (JSON, NULL: the default).
INSERT INTO connection_paths.installation AS i (host_schema, has_triggers, is_replicated, version, mapping)
VALUES (:'host_schema', COALESCE((SELECT k.has_triggers FROM connection_paths.installation AS k), :captures), COALESCE((SELECT k.is_replicated FROM connection_paths.installation AS k), false), '0.1.0', NULL::jsonb)
ON CONFLICT (is_installation) DO UPDATE
SET
    host_schema = EXCLUDED.host_schema,
    has_triggers = EXCLUDED.has_triggers,
    is_replicated = EXCLUDED.is_replicated,
    version = EXCLUDED.version,
    mapping = EXCLUDED.mapping,
    installed_at = EXCLUDED.installed_at
WHERE i.host_schema <> EXCLUDED.host_schema
    OR i.has_triggers <> EXCLUDED.has_triggers
    OR i.is_replicated <> EXCLUDED.is_replicated
    OR i.version <> EXCLUDED.version
    OR i.mapping IS DISTINCT FROM EXCLUDED.mapping;

-- The tables in which yoyo records the migrations that were applied, as yoyo creates them. yoyo runs the migrations for
-- `orchestrator install`.
CREATE TABLE IF NOT EXISTS connection_paths._yoyo_migration (
    migration_hash varchar(64),
    migration_id varchar(255),
    applied_at_utc timestamp,
    PRIMARY KEY (migration_hash)
);

CREATE TABLE IF NOT EXISTS connection_paths._yoyo_log (
    id varchar(36),
    migration_hash varchar(64),
    migration_id varchar(255),
    operation varchar(10),
    username varchar(255),
    hostname varchar(255),
    comment varchar(255),
    created_at_utc timestamp,
    PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS connection_paths._yoyo_version (
    version integer NOT NULL PRIMARY KEY,
    installed_at_utc timestamp
);

CREATE TABLE IF NOT EXISTS connection_paths.yoyo_lock (
    locked integer DEFAULT 1,
    ctime timestamp,
    pid integer NOT NULL,
    PRIMARY KEY (locked)
);

INSERT INTO connection_paths._yoyo_version (version, installed_at_utc)
SELECT 2, now() AT TIME ZONE 'UTC'
WHERE NOT EXISTS (SELECT FROM connection_paths._yoyo_version AS v WHERE v.version = 2);

REVOKE ALL ON TABLE
    connection_paths._yoyo_migration, connection_paths._yoyo_log, connection_paths._yoyo_version,
    connection_paths.yoyo_lock
FROM PUBLIC;

-- 0001_binding_views
SELECT NOT EXISTS (
    SELECT FROM connection_paths._yoyo_migration AS m WHERE m.migration_id = '0001_binding_views'
) AS is_to_do \gset
\if :is_to_do
BEGIN;
-- connection_paths.to_day(value, format)
--
-- Reads a date from text, and returns NULL for text that is not a date.
--
-- Parameters
--     value   The text. NULL: the result is NULL.
--     format  How the text is written, as for to_date: YYYY or YY, MM or MON or MONTH, DD, and other characters between
--             them. Month names are English. What follows the date is ignored. NULL: the text is YYYY, YYYY-MM,
--             YYYY-MM-DD, a timestamp that begins with YYYY-MM-DD, Mon YYYY, or Mon DD, YYYY.
-- Returns
--     The date. A month without a day is its first day, a year without a month its first day. NULL: the text is not a
--     date in this form, or no such day exists.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     applications, orchestrator/host/mapping_expressions.py
-- Why
--     An index needs IMMUTABLE expressions, and to_date and text::date are not IMMUTABLE. An error in the expression of
--     an index would make an INSERT of the application fail, so this function raises none. It has no EXCEPTION block,
--     which PostgreSQL 15 and 16 refuse in parallel workers.
CREATE OR REPLACE FUNCTION connection_paths.to_day(value text, format text DEFAULT NULL)
RETURNS date
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    given text COLLATE "C" := to_day.value;
    form text COLLATE "C" := to_day.format;
    year_at integer;
    month_at integer;
    day_at integer;
    parts text[];
    part text;
    year integer;
    month integer;
    day integer;
    result date;
BEGIN
    -- The usual forms, ten times faster than the general way below.
    IF (form IS NULL OR form = 'YYYY-MM') AND given ~ '^[1-9][0-9]{3}-(0[1-9]|1[0-2])$' THEN
        RETURN make_date(left(given, 4)::integer, right(given, 2)::integer, 1);
    END IF;
    IF (form IS NULL OR form = 'YYYY-MM-DD') AND given ~ '^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$' THEN
        RETURN make_date(left(given, 4)::integer, substr(given, 6, 2)::integer, right(given, 2)::integer);
    END IF;

    form := replace(upper(form), 'MONTH', 'MON');
    IF form IS NULL THEN
        form := CASE
            WHEN given ~ '^\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt\s].*)?$' THEN 'YYYY-MM-DD'
            WHEN given ~ '^\s*[0-9]{4}-[0-9]{1,2}\s*$' THEN 'YYYY-MM'
            WHEN given ~ '^\s*[0-9]{4}\s*$' THEN 'YYYY'
            WHEN given ~ '^\s*[A-Za-z]+\.?\s+[0-9]{4}\s*$' THEN 'MON YYYY'
            WHEN given ~ '^\s*[A-Za-z]+\.?\s+[0-9]{1,2},?\s+[0-9]{4}\s*$' THEN 'MON DD YYYY'
        END;
    END IF;
    year_at := strpos(form, 'YY');
    month_at := GREATEST(strpos(form, 'MM'), strpos(form, 'MON'));
    day_at := strpos(form, 'DD');
    form := regexp_replace(form, '[^A-Z0-9]+', '[^A-Za-z0-9]*', 'g');
    form := replace(replace(form, 'YYYY', '([0-9]{4})'), 'YY', '([0-9]{2})');
    form := replace(replace(form, 'MON', '([A-Za-z]{3})[A-Za-z]*'), 'MM', '([0-9]{1,2})');
    parts := regexp_match(given, '^\s*' || replace(form, 'DD', '([0-9]{1,2})'));
    IF parts IS NULL OR year_at = 0 THEN
        RETURN NULL;
    END IF;

    -- Of the three parts, those that come earlier in the format have smaller numbers.
    part := parts[1 + (month_at BETWEEN 1 AND year_at)::integer + (day_at BETWEEN 1 AND year_at)::integer];
    year := part::integer + CASE WHEN length(part) = 4 THEN 0 WHEN part < '70' THEN 2000 ELSE 1900 END;
    month := 1;
    IF month_at > 0 THEN
        part := parts[1 + (year_at < month_at)::integer + (day_at BETWEEN 1 AND month_at)::integer];
        month := CASE
            WHEN part ~ '^[0-9]' THEN part::integer
            ELSE array_position('{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}', lower(part))
        END;
    END IF;
    day := 1;
    IF day_at > 0 THEN
        day := parts[1 + (year_at < day_at)::integer + (month_at BETWEEN 1 AND day_at)::integer];
    END IF;
    IF year >= 1 AND month BETWEEN 1 AND 12 AND day BETWEEN 1 AND 31 THEN
        result := make_date(year, month, 1) + (day - 1);
        RETURN CASE WHEN extract(month FROM result) = month THEN result END;
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.to_day(text, text) IS 'A date from text; NULL where the text is not a date. For mappings';

REVOKE ALL ON FUNCTION connection_paths.to_day(text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION connection_paths.to_day(text, text) TO PUBLIC;

-- connection_paths.first_day(year, month)
--
-- Makes a date of a year and a month, and returns NULL where there is no such month.
--
-- Parameters
--     year   The year, 1 to 9999. Otherwise the result is NULL.
--     month  The month, 1 to 12. NULL: January. Otherwise the result is NULL.
-- Returns
--     The first day of the month, or NULL.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     applications
-- Why
--     make_date raises an error for a month 0. In the expression of an index this error would make an INSERT of the
--     application fail.
CREATE OR REPLACE FUNCTION connection_paths.first_day(year integer, month integer)
RETURNS date
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        CASE
            WHEN first_day.year >= 1 AND first_day.year <= 9999
                AND COALESCE(first_day.month, 1) >= 1 AND COALESCE(first_day.month, 1) <= 12
                THEN pg_catalog.make_date(first_day.year, COALESCE(first_day.month, 1), 1)
        END;
END;

COMMENT ON FUNCTION connection_paths.first_day(integer, integer) IS 'A date from a year and a month; NULL where there is no such month. For mappings';

REVOKE ALL ON FUNCTION connection_paths.first_day(integer, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION connection_paths.first_day(integer, integer) TO PUBLIC;

-- connection_paths.to_id(value)
--
-- Reads an id from text, and returns NULL for text that is not a whole number.
--
-- Parameters
--     value  The text. NULL: the result is NULL.
-- Returns
--     The number. NULL: the text is not a whole number between -999999999999999999 and 999999999999999999.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     applications
-- Why
--     A cast raises an error for other text. In the expression of an index this error would make an INSERT of the
--     application fail.
CREATE OR REPLACE FUNCTION connection_paths.to_id(value text)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        CASE
            WHEN to_id.value COLLATE pg_catalog."C" ~ '^\s*-?[0-9]{1,18}\s*$' THEN to_id.value::bigint
        END;
END;

COMMENT ON FUNCTION connection_paths.to_id(text) IS 'An id from text; NULL where the text is not a whole number. For mappings';

REVOKE ALL ON FUNCTION connection_paths.to_id(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION connection_paths.to_id(text) TO PUBLIC;

-- connection_paths.uuid_key(value)
--
-- Makes an id of a uuid: a hash of 64 bits.
--
-- Parameters
--     value  The uuid. NULL: the result is NULL.
-- Returns
--     The id. Equal uuids have equal ids. Two of a million uuids have the same id with a probability of 3 in 100
--     million.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     applications
-- Why
--     Ids of the package are bigint. Parts of a uuid are not random in every version of uuids, so they are hashed.
CREATE OR REPLACE FUNCTION connection_paths.uuid_key(value uuid)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT pg_catalog.uuid_hash_extended(uuid_key.value, 0);
END;

COMMENT ON FUNCTION connection_paths.uuid_key(uuid) IS 'An id from a uuid: a hash of 64 bits. For mappings';

REVOKE ALL ON FUNCTION connection_paths.uuid_key(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION connection_paths.uuid_key(uuid) TO PUBLIC;

-- connection_paths.raise_detached(table_name)
--
-- Raises CP010 for a query that reads the binding view of a detached table.
--
-- Parameters
--     table_name  The detached table, with its schema, quoted where necessary. Required.
-- Returns
--     Nothing: it always raises an error. The view that calls it lists the columns.
-- Errors
--     CP010  Always.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     detach_source
-- Why
--     The view has this set-returning function in FROM. The planner cannot prove that it returns no rows, so every
--     query that needs a detached table fails.
CREATE OR REPLACE FUNCTION connection_paths.raise_detached(table_name text)
RETURNS SETOF record
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION 'table % is detached from connection_paths', raise_detached.table_name
        USING ERRCODE = 'CP010',
            HINT = 'Run orchestrator attach, or SELECT * FROM connection_paths.attach_source(...).';
END
$function$;

COMMENT ON FUNCTION connection_paths.raise_detached(text) IS 'Raises CP010: the binding view of a detached table reads from it';

REVOKE ALL ON FUNCTION connection_paths.raise_detached(text) FROM PUBLIC;

-- The application's usable work experiences. The WHERE clause says which rows are usable; two indexes repeat it.
CREATE OR REPLACE VIEW connection_paths.work_experiences WITH (security_invoker = true) AS
SELECT
    ("id")::bigint AS id,
    ("contact_id")::bigint AS contact_id,
    ("organization_id")::bigint AS organization_id,
    ("date_from")::date AS date_from,
    ("date_to")::date AS date_to
FROM :"host_schema"."contact_work_experiences" AS e
WHERE ("organization_id")::bigint IS NOT NULL
    AND ("date_from")::date IS NOT NULL
    AND (("date_to")::date IS NULL OR ("date_to")::date >= ("date_from")::date);

COMMENT ON VIEW connection_paths.work_experiences IS 'Usable work experiences: organization and start are known, and the end is not before the start; date_to NULL is ongoing';

REVOKE ALL ON TABLE connection_paths.work_experiences FROM PUBLIC;

-- The members of the application's collections. The WHERE clause says which rows count; a partial index repeats it.
-- The rule of the mapping comes first; by default it is the list of sources that count.
CREATE OR REPLACE VIEW connection_paths.collection_members WITH (security_invoker = true) AS
SELECT
    ("collection_id")::bigint AS collection_id,
    ("contact_id")::bigint AS contact_id,
    ("user_id")::bigint AS user_id
FROM :"host_schema"."user_contact_collections" AS m
WHERE (source IN (0, 1, 2, 3, 5, 10)) AND ("user_id")::bigint IS NOT NULL;

COMMENT ON VIEW connection_paths.collection_members IS 'Members: which user brought which contact into which collection; a row for each source';

REVOKE ALL ON TABLE connection_paths.collection_members FROM PUBLIC;

-- The application's organizations.
CREATE OR REPLACE VIEW connection_paths.known_organizations WITH (security_invoker = true) AS
SELECT
    ("id")::bigint AS id,
    ("name")::text AS name,
    NULL::bigint AS headcount
FROM :"host_schema"."organizations" AS o
;

COMMENT ON VIEW connection_paths.known_organizations IS 'Organizations that exist; a work experience at another organization id makes no edge';

REVOKE ALL ON TABLE connection_paths.known_organizations FROM PUBLIC;

-- The application's contacts.
CREATE OR REPLACE VIEW connection_paths.live_contacts WITH (security_invoker = true) AS
SELECT
    ("id")::bigint AS id,
    ("name")::text AS name
FROM :"host_schema"."contacts" AS c
;

COMMENT ON VIEW connection_paths.live_contacts IS 'Contacts that exist. Only these have edges; work experiences of other contact ids make no edges';

REVOKE ALL ON TABLE connection_paths.live_contacts FROM PUBLIC;

-- The application's users, by name. No code computes anything from them. Without a table in the mapping the view has
-- no row.
CREATE OR REPLACE VIEW connection_paths.live_users WITH (security_invoker = true) AS
SELECT
    id AS id,
    name AS name
FROM (SELECT NULL::bigint AS id, NULL::text AS name WHERE false) AS u
;

COMMENT ON VIEW connection_paths.live_users IS 'Names of users, for people to read; no row where no table of users is mapped';

REVOKE ALL ON TABLE connection_paths.live_users FROM PUBLIC;

-- The application's collections, by name. No code computes anything from them. Without a table in the mapping the view
-- has no row.
CREATE OR REPLACE VIEW connection_paths.live_collections WITH (security_invoker = true) AS
SELECT
    id AS id,
    name AS name
FROM (SELECT NULL::bigint AS id, NULL::text AS name WHERE false) AS c
;

COMMENT ON VIEW connection_paths.live_collections IS 'Names of collections, for people to read; no row where no table of collections is mapped';

REVOKE ALL ON TABLE connection_paths.live_collections FROM PUBLIC;
INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ('540e13f1e0326bfe07b6e5d075a418028de335446a66852a34c591c0e5deb45e', '0001_binding_views', now() AT TIME ZONE 'UTC');
COMMIT;
\endif

-- 0002_tables
SELECT NOT EXISTS (
    SELECT FROM connection_paths._yoyo_migration AS m WHERE m.migration_id = '0002_tables'
) AS is_to_do \gset
\if :is_to_do
BEGIN;
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
INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ('1a27d625211a6fb3c13cd948959c6f63355c3cbdaa63946ed3d1090835710871', '0002_tables', now() AT TIME ZONE 'UTC');
COMMIT;
\endif

-- 0003_walk_indexes
SELECT NOT EXISTS (
    SELECT FROM connection_paths._yoyo_migration AS m WHERE m.migration_id = '0003_walk_indexes'
) AS is_to_do \gset
\if :is_to_do
BEGIN;
-- No two entries are equal, so deduplicate_items would only cost time: up to a fifth of the build of an index.
CREATE INDEX IF NOT EXISTS idx_cc_walk_a
    ON connection_paths.contact_connections (contact_a_id, date_to DESC NULLS FIRST, contact_b_id)
    WITH (deduplicate_items = off);

COMMENT ON INDEX connection_paths.idx_cc_walk_a IS 'The search reads a contact''s edges from this index alone, the most recent first, and stops early';
-- The index of the partition gets a name with the suffix _r and a run id, as a rebuild would name it; 0 is no run.
ALTER INDEX IF EXISTS connection_paths.contact_connections_live_contact_a_id_date_to_contact_b_id_idx
    RENAME TO idx_cc_walk_a_r0;

-- No two entries are equal, so deduplicate_items would only cost time: up to a fifth of the build of an index.
CREATE INDEX IF NOT EXISTS idx_cc_walk_b
    ON connection_paths.contact_connections (contact_b_id, date_to DESC NULLS FIRST, contact_a_id)
    WITH (deduplicate_items = off);

COMMENT ON INDEX connection_paths.idx_cc_walk_b IS 'Mirror of idx_cc_walk_a: an edge is stored once and searched in both directions';
ALTER INDEX IF EXISTS connection_paths.contact_connections_live_contact_b_id_date_to_contact_a_id_idx
    RENAME TO idx_cc_walk_b_r0;

-- No two entries are equal, so deduplicate_items would only cost time: up to a fifth of the build of an index.
CREATE INDEX IF NOT EXISTS idx_cc_strong_a
    ON connection_paths.contact_connections (
        contact_a_id, strength DESC NULLS FIRST, date_to DESC NULLS FIRST, contact_b_id
    )
    WITH (deduplicate_items = off)
    WHERE strength >= 30;

COMMENT ON INDEX connection_paths.idx_cc_strong_a IS 'The search by strength reads a contact''s strong and moderate edges from this index alone, and stops early';
-- The index of the partition gets a name with the suffix _r and a run id, as a rebuild would name it; 0 is no run.
ALTER INDEX IF EXISTS connection_paths.contact_connections_live_contact_a_id_strength_date_to_cont_idx
    RENAME TO idx_cc_strong_a_r0;

-- No two entries are equal, so deduplicate_items would only cost time: up to a fifth of the build of an index.
CREATE INDEX IF NOT EXISTS idx_cc_strong_b
    ON connection_paths.contact_connections (
        contact_b_id, strength DESC NULLS FIRST, date_to DESC NULLS FIRST, contact_a_id
    )
    WITH (deduplicate_items = off)
    WHERE strength >= 30;

COMMENT ON INDEX connection_paths.idx_cc_strong_b IS 'Mirror of idx_cc_strong_a: an edge is stored once and searched in both directions';
-- The index of the partition gets a name with the suffix _r and a run id, as a rebuild would name it; 0 is no run.
ALTER INDEX IF EXISTS connection_paths.contact_connections_live_contact_b_id_strength_date_to_cont_idx
    RENAME TO idx_cc_strong_b_r0;
INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ('2a96c4ef51749d100bdba2d842808e3f1fd402c2377993bdebbf0bed45ea2179', '0003_walk_indexes', now() AT TIME ZONE 'UTC');
COMMIT;
\endif

-- 0004_host_indexes
SELECT NOT EXISTS (
    SELECT FROM connection_paths._yoyo_migration AS m WHERE m.migration_id = '0004_host_indexes'
) AS is_to_do \gset
\if :is_to_do
SELECT COALESCE(c.included, '') AS included,
    t.relkind IN ('r', 'p') AND c.included IS NOT NULL AND NOT EXISTS (
        SELECT
        FROM pg_index AS i
        JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('user_contact_collections'))
            AND x.relname = 'idx_members_by_collection'
            AND i.indisvalid
            AND starts_with(obj_description(i.indexrelid, 'pg_class'), 'connection_paths: ')
    ) AS is_to_build,
    t.relkind = 'p' AS is_partitioned
FROM (
-- Returns the columns that an index has to include, as a list for CREATE INDEX; NULL if there is none. A key that is an
-- expression does not give its columns to an index-only scan, so these are included.
--
-- Parameters
--     table_oid    The table, or NULL.
--     columns      The columns that the index contains, as keys or included.
--     keys, types  The columns that are keys without an expression if they have these types.
SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.number) AS included
FROM unnest(ARRAY['collection_id', 'contact_id', 'user_id']::text[]) WITH ORDINALITY AS c (name, number)
WHERE NOT EXISTS (
    SELECT
    FROM unnest(ARRAY['collection_id', 'contact_id']::text[], ARRAY['bigint', 'bigint']::text[]) AS k (name, type)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('user_contact_collections'))::oid AND a.attname = k.name
    WHERE k.name = c.name AND format_type(a.atttypid, NULL) = k.type
)
) AS c
JOIN pg_class AS t ON t.oid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('user_contact_collections')) \gset
\if :is_to_build
DROP INDEX CONCURRENTLY IF EXISTS :"host_schema".idx_members_by_collection_connection_paths_new;
\if :is_partitioned
-- each partition concurrently; then one index that consists of these
SELECT format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, x.relname)
FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('user_contact_collections'))) AS p
JOIN pg_index AS i ON i.indrelid = p.relid AND NOT i.indisvalid
JOIN pg_class AS x ON x.oid = i.indexrelid AND x.relkind = 'i' AND starts_with(x.relname, 'idx_members_by_collection_part_')
JOIN pg_namespace AS n ON n.oid = x.relnamespace \gexec
SELECT replace(replace(replace(b.create_index, '@@index', b.name), '@@table', b.table_name), '@@included', :'included')
FROM (
    SELECT d.create_index, 'idx_members_by_collection_part_' || left(md5(d.create_index), 8) || '_' || p.relid::oid AS name,
        n.nspname, format('%I.%I', n.nspname, c.relname) AS table_name
    FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('user_contact_collections'))) AS p
    JOIN pg_class AS c ON c.oid = p.relid AND c.relkind = 'r'
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN (VALUES ($create$-- The collection is the first column. All probes of a request are in one collection, so they read adjacent pages.
-- The predicate is the rule of the view connection_paths.collection_members.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("collection_id")::bigint), (("contact_id")::bigint))
    INCLUDE (@@included)
    WHERE (source IN (0, 1, 2, 3, 5, 10)) AND ("user_id")::bigint IS NOT NULL$create$)) AS d (create_index)
) AS b
WHERE to_regclass(quote_ident(b.nspname) || '.' || quote_ident(b.name)) IS NULL \gexec
BEGIN;
DROP INDEX IF EXISTS :"host_schema".idx_members_by_collection;
SELECT replace(replace(replace(replace(
    $create$-- The collection is the first column. All probes of a request are in one collection, so they read adjacent pages.
-- The predicate is the rule of the view connection_paths.collection_members.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("collection_id")::bigint), (("contact_id")::bigint))
    INCLUDE (@@included)
    WHERE (source IN (0, 1, 2, 3, 5, 10)) AND ("user_id")::bigint IS NOT NULL$create$, 'CONCURRENTLY @@index', 'idx_members_by_collection'), '@@table', (to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('user_contact_collections')))::regclass::text), '@@included', :'included'),
    'CREATE INDEX CONCURRENTLY', 'CREATE INDEX') \gexec
COMMENT ON INDEX :"host_schema".idx_members_by_collection IS 'connection_paths: the users who brought a contact into a collection';
COMMIT;
\else
DROP INDEX CONCURRENTLY IF EXISTS :"host_schema".idx_members_by_collection;
SELECT replace(replace(replace(
    $create$-- The collection is the first column. All probes of a request are in one collection, so they read adjacent pages.
-- The predicate is the rule of the view connection_paths.collection_members.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("collection_id")::bigint), (("contact_id")::bigint))
    INCLUDE (@@included)
    WHERE (source IN (0, 1, 2, 3, 5, 10)) AND ("user_id")::bigint IS NOT NULL$create$, '@@index', 'idx_members_by_collection_connection_paths_new'), '@@table', (to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('user_contact_collections')))::regclass::text), '@@included', :'included') \gexec
BEGIN;
ALTER INDEX :"host_schema".idx_members_by_collection_connection_paths_new RENAME TO idx_members_by_collection;
COMMENT ON INDEX :"host_schema".idx_members_by_collection IS 'connection_paths: the users who brought a contact into a collection';
COMMIT;
\endif
\endif

SELECT COALESCE(c.included, '') AS included,
    t.relkind IN ('r', 'p') AND c.included IS NOT NULL AND NOT EXISTS (
        SELECT
        FROM pg_index AS i
        JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences'))
            AND x.relname = 'idx_experiences_by_contact'
            AND i.indisvalid
            AND starts_with(obj_description(i.indexrelid, 'pg_class'), 'connection_paths: ')
    ) AS is_to_build,
    t.relkind = 'p' AS is_partitioned
FROM (
-- Returns the columns that an index has to include, as a list for CREATE INDEX; NULL if there is none. A key that is an
-- expression does not give its columns to an index-only scan, so these are included.
--
-- Parameters
--     table_oid    The table, or NULL.
--     columns      The columns that the index contains, as keys or included.
--     keys, types  The columns that are keys without an expression if they have these types.
SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.number) AS included
FROM unnest(ARRAY['contact_id', 'organization_id', 'date_from', 'date_to']::text[]) WITH ORDINALITY AS c (name, number)
WHERE NOT EXISTS (
    SELECT
    FROM unnest(ARRAY['contact_id']::text[], ARRAY['bigint']::text[]) AS k (name, type)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences'))::oid AND a.attname = k.name
    WHERE k.name = c.name AND format_type(a.atttypid, NULL) = k.type
)
) AS c
JOIN pg_class AS t ON t.oid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences')) \gset
\if :is_to_build
DROP INDEX CONCURRENTLY IF EXISTS :"host_schema".idx_experiences_by_contact_connection_paths_new;
\if :is_partitioned
-- each partition concurrently; then one index that consists of these
SELECT format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, x.relname)
FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences'))) AS p
JOIN pg_index AS i ON i.indrelid = p.relid AND NOT i.indisvalid
JOIN pg_class AS x ON x.oid = i.indexrelid AND x.relkind = 'i' AND starts_with(x.relname, 'idx_experiences_by_contact_part_')
JOIN pg_namespace AS n ON n.oid = x.relnamespace \gexec
SELECT replace(replace(replace(b.create_index, '@@index', b.name), '@@table', b.table_name), '@@included', :'included')
FROM (
    SELECT d.create_index, 'idx_experiences_by_contact_part_' || left(md5(d.create_index), 8) || '_' || p.relid::oid AS name,
        n.nspname, format('%I.%I', n.nspname, c.relname) AS table_name
    FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences'))) AS p
    JOIN pg_class AS c ON c.oid = p.relid AND c.relkind = 'r'
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN (VALUES ($create$-- Finds the usable work experiences of a contact without reading the table.
-- The predicate is the rule of the view connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("contact_id")::bigint))
    INCLUDE (@@included)
    WHERE ("organization_id")::bigint IS NOT NULL
        AND ("date_from")::date IS NOT NULL
        AND (("date_to")::date IS NULL OR ("date_to")::date >= ("date_from")::date)$create$)) AS d (create_index)
) AS b
WHERE to_regclass(quote_ident(b.nspname) || '.' || quote_ident(b.name)) IS NULL \gexec
BEGIN;
DROP INDEX IF EXISTS :"host_schema".idx_experiences_by_contact;
SELECT replace(replace(replace(replace(
    $create$-- Finds the usable work experiences of a contact without reading the table.
-- The predicate is the rule of the view connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("contact_id")::bigint))
    INCLUDE (@@included)
    WHERE ("organization_id")::bigint IS NOT NULL
        AND ("date_from")::date IS NOT NULL
        AND (("date_to")::date IS NULL OR ("date_to")::date >= ("date_from")::date)$create$, 'CONCURRENTLY @@index', 'idx_experiences_by_contact'), '@@table', (to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences')))::regclass::text), '@@included', :'included'),
    'CREATE INDEX CONCURRENTLY', 'CREATE INDEX') \gexec
COMMENT ON INDEX :"host_schema".idx_experiences_by_contact IS 'connection_paths: the usable experiences of a contact, without reading the table';
COMMIT;
\else
DROP INDEX CONCURRENTLY IF EXISTS :"host_schema".idx_experiences_by_contact;
SELECT replace(replace(replace(
    $create$-- Finds the usable work experiences of a contact without reading the table.
-- The predicate is the rule of the view connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("contact_id")::bigint))
    INCLUDE (@@included)
    WHERE ("organization_id")::bigint IS NOT NULL
        AND ("date_from")::date IS NOT NULL
        AND (("date_to")::date IS NULL OR ("date_to")::date >= ("date_from")::date)$create$, '@@index', 'idx_experiences_by_contact_connection_paths_new'), '@@table', (to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences')))::regclass::text), '@@included', :'included') \gexec
BEGIN;
ALTER INDEX :"host_schema".idx_experiences_by_contact_connection_paths_new RENAME TO idx_experiences_by_contact;
COMMENT ON INDEX :"host_schema".idx_experiences_by_contact IS 'connection_paths: the usable experiences of a contact, without reading the table';
COMMIT;
\endif
\endif

SELECT COALESCE(c.included, '') AS included,
    t.relkind IN ('r', 'p') AND c.included IS NOT NULL AND NOT EXISTS (
        SELECT
        FROM pg_index AS i
        JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences'))
            AND x.relname = 'idx_experiences_by_organization'
            AND i.indisvalid
            AND starts_with(obj_description(i.indexrelid, 'pg_class'), 'connection_paths: ')
    ) AS is_to_build,
    t.relkind = 'p' AS is_partitioned
FROM (
-- Returns the columns that an index has to include, as a list for CREATE INDEX; NULL if there is none. A key that is an
-- expression does not give its columns to an index-only scan, so these are included.
--
-- Parameters
--     table_oid    The table, or NULL.
--     columns      The columns that the index contains, as keys or included.
--     keys, types  The columns that are keys without an expression if they have these types.
SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.number) AS included
FROM unnest(ARRAY['contact_id', 'organization_id', 'date_from', 'date_to']::text[]) WITH ORDINALITY AS c (name, number)
WHERE NOT EXISTS (
    SELECT
    FROM unnest(ARRAY['organization_id', 'date_from', 'contact_id']::text[], ARRAY['bigint', 'date', 'bigint']::text[]) AS k (name, type)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences'))::oid AND a.attname = k.name
    WHERE k.name = c.name AND format_type(a.atttypid, NULL) = k.type
)
) AS c
JOIN pg_class AS t ON t.oid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences')) \gset
\if :is_to_build
DROP INDEX CONCURRENTLY IF EXISTS :"host_schema".idx_experiences_by_organization_connection_paths_new;
\if :is_partitioned
-- each partition concurrently; then one index that consists of these
SELECT format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, x.relname)
FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences'))) AS p
JOIN pg_index AS i ON i.indrelid = p.relid AND NOT i.indisvalid
JOIN pg_class AS x ON x.oid = i.indexrelid AND x.relkind = 'i' AND starts_with(x.relname, 'idx_experiences_by_organization_part_')
JOIN pg_namespace AS n ON n.oid = x.relnamespace \gexec
SELECT replace(replace(replace(b.create_index, '@@index', b.name), '@@table', b.table_name), '@@included', :'included')
FROM (
    SELECT d.create_index, 'idx_experiences_by_organization_part_' || left(md5(d.create_index), 8) || '_' || p.relid::oid AS name,
        n.nspname, format('%I.%I', n.nspname, c.relname) AS table_name
    FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences'))) AS p
    JOIN pg_class AS c ON c.oid = p.relid AND c.relkind = 'r'
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN (VALUES ($create$-- Finds the contacts that worked at an organization at some time. Contacts that left before that time are not read.
-- The second column is an expression, so that work experiences that continue (date_to is NULL) come after all other
-- dates and belong to the same range of the index.
-- No scan begins at date_from or contact_id. They are key columns so that PostgreSQL compares them inside the index
-- page. This excludes four of five entries, each at a fifth of the cost of a row that is read and filtered.
-- The predicate is the rule of the view connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY @@index
    ON @@table (
        (("organization_id")::bigint),
        (COALESCE(("date_to")::date, 'infinity'::date)),
        (("date_from")::date),
        (("contact_id")::bigint)
    )
    INCLUDE (@@included)
    WHERE ("organization_id")::bigint IS NOT NULL
        AND ("date_from")::date IS NOT NULL
        AND (("date_to")::date IS NULL OR ("date_to")::date >= ("date_from")::date)$create$)) AS d (create_index)
) AS b
WHERE to_regclass(quote_ident(b.nspname) || '.' || quote_ident(b.name)) IS NULL \gexec
BEGIN;
DROP INDEX IF EXISTS :"host_schema".idx_experiences_by_organization;
SELECT replace(replace(replace(replace(
    $create$-- Finds the contacts that worked at an organization at some time. Contacts that left before that time are not read.
-- The second column is an expression, so that work experiences that continue (date_to is NULL) come after all other
-- dates and belong to the same range of the index.
-- No scan begins at date_from or contact_id. They are key columns so that PostgreSQL compares them inside the index
-- page. This excludes four of five entries, each at a fifth of the cost of a row that is read and filtered.
-- The predicate is the rule of the view connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY @@index
    ON @@table (
        (("organization_id")::bigint),
        (COALESCE(("date_to")::date, 'infinity'::date)),
        (("date_from")::date),
        (("contact_id")::bigint)
    )
    INCLUDE (@@included)
    WHERE ("organization_id")::bigint IS NOT NULL
        AND ("date_from")::date IS NOT NULL
        AND (("date_to")::date IS NULL OR ("date_to")::date >= ("date_from")::date)$create$, 'CONCURRENTLY @@index', 'idx_experiences_by_organization'), '@@table', (to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences')))::regclass::text), '@@included', :'included'),
    'CREATE INDEX CONCURRENTLY', 'CREATE INDEX') \gexec
COMMENT ON INDEX :"host_schema".idx_experiences_by_organization IS 'connection_paths: the contacts that worked at an organization at the same time';
COMMIT;
\else
DROP INDEX CONCURRENTLY IF EXISTS :"host_schema".idx_experiences_by_organization;
SELECT replace(replace(replace(
    $create$-- Finds the contacts that worked at an organization at some time. Contacts that left before that time are not read.
-- The second column is an expression, so that work experiences that continue (date_to is NULL) come after all other
-- dates and belong to the same range of the index.
-- No scan begins at date_from or contact_id. They are key columns so that PostgreSQL compares them inside the index
-- page. This excludes four of five entries, each at a fifth of the cost of a row that is read and filtered.
-- The predicate is the rule of the view connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY @@index
    ON @@table (
        (("organization_id")::bigint),
        (COALESCE(("date_to")::date, 'infinity'::date)),
        (("date_from")::date),
        (("contact_id")::bigint)
    )
    INCLUDE (@@included)
    WHERE ("organization_id")::bigint IS NOT NULL
        AND ("date_from")::date IS NOT NULL
        AND (("date_to")::date IS NULL OR ("date_to")::date >= ("date_from")::date)$create$, '@@index', 'idx_experiences_by_organization_connection_paths_new'), '@@table', (to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences')))::regclass::text), '@@included', :'included') \gexec
BEGIN;
ALTER INDEX :"host_schema".idx_experiences_by_organization_connection_paths_new RENAME TO idx_experiences_by_organization;
COMMENT ON INDEX :"host_schema".idx_experiences_by_organization IS 'connection_paths: the contacts that worked at an organization at the same time';
COMMIT;
\endif
\endif

SELECT COALESCE(c.included, '') AS included,
    t.relkind IN ('r', 'p') AND c.included IS NOT NULL AND NOT EXISTS (
        SELECT
        FROM pg_index AS i
        JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contacts'))
            AND x.relname = 'idx_contacts_by_id'
            AND i.indisvalid
            AND starts_with(obj_description(i.indexrelid, 'pg_class'), 'connection_paths: ')
    ) AS is_to_build,
    t.relkind = 'p' AS is_partitioned
FROM (
-- Returns the columns that an index has to include, as a list for CREATE INDEX; NULL if there is none. A key that is an
-- expression does not give its columns to an index-only scan, so these are included.
--
-- Parameters
--     table_oid    The table, or NULL.
--     columns      The columns that the index contains, as keys or included.
--     keys, types  The columns that are keys without an expression if they have these types.
SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.number) AS included
FROM unnest(ARRAY['id']::text[]) WITH ORDINALITY AS c (name, number)
WHERE NOT EXISTS (
    SELECT
    FROM unnest(ARRAY['id']::text[], ARRAY['bigint']::text[]) AS k (name, type)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contacts'))::oid AND a.attname = k.name
    WHERE k.name = c.name AND format_type(a.atttypid, NULL) = k.type
)
) AS c
JOIN pg_class AS t ON t.oid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contacts')) \gset
\if :is_to_build
DROP INDEX CONCURRENTLY IF EXISTS :"host_schema".idx_contacts_by_id_connection_paths_new;
\if :is_partitioned
-- each partition concurrently; then one index that consists of these
SELECT format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, x.relname)
FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contacts'))) AS p
JOIN pg_index AS i ON i.indrelid = p.relid AND NOT i.indisvalid
JOIN pg_class AS x ON x.oid = i.indexrelid AND x.relkind = 'i' AND starts_with(x.relname, 'idx_contacts_by_id_part_')
JOIN pg_namespace AS n ON n.oid = x.relnamespace \gexec
SELECT replace(replace(replace(b.create_index, '@@index', b.name), '@@table', b.table_name), '@@included', :'included')
FROM (
    SELECT d.create_index, 'idx_contacts_by_id_part_' || left(md5(d.create_index), 8) || '_' || p.relid::oid AS name,
        n.nspname, format('%I.%I', n.nspname, c.relname) AS table_name
    FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contacts'))) AS p
    JOIN pg_class AS c ON c.oid = p.relid AND c.relkind = 'r'
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN (VALUES ($create$-- Finds contacts by id where the id is an expression. Where it is a column of the type bigint, the index of the
-- application's key serves, and this one is not built.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("id")::bigint))
    INCLUDE (@@included)$create$)) AS d (create_index)
) AS b
WHERE to_regclass(quote_ident(b.nspname) || '.' || quote_ident(b.name)) IS NULL \gexec
BEGIN;
DROP INDEX IF EXISTS :"host_schema".idx_contacts_by_id;
SELECT replace(replace(replace(replace(
    $create$-- Finds contacts by id where the id is an expression. Where it is a column of the type bigint, the index of the
-- application's key serves, and this one is not built.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("id")::bigint))
    INCLUDE (@@included)$create$, 'CONCURRENTLY @@index', 'idx_contacts_by_id'), '@@table', (to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contacts')))::regclass::text), '@@included', :'included'),
    'CREATE INDEX CONCURRENTLY', 'CREATE INDEX') \gexec
COMMENT ON INDEX :"host_schema".idx_contacts_by_id IS 'connection_paths: contacts by the id that the package reads';
COMMIT;
\else
DROP INDEX CONCURRENTLY IF EXISTS :"host_schema".idx_contacts_by_id;
SELECT replace(replace(replace(
    $create$-- Finds contacts by id where the id is an expression. Where it is a column of the type bigint, the index of the
-- application's key serves, and this one is not built.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("id")::bigint))
    INCLUDE (@@included)$create$, '@@index', 'idx_contacts_by_id_connection_paths_new'), '@@table', (to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contacts')))::regclass::text), '@@included', :'included') \gexec
BEGIN;
ALTER INDEX :"host_schema".idx_contacts_by_id_connection_paths_new RENAME TO idx_contacts_by_id;
COMMENT ON INDEX :"host_schema".idx_contacts_by_id IS 'connection_paths: contacts by the id that the package reads';
COMMIT;
\endif
\endif

SELECT COALESCE(c.included, '') AS included,
    t.relkind IN ('r', 'p') AND c.included IS NOT NULL AND NOT EXISTS (
        SELECT
        FROM pg_index AS i
        JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('organizations'))
            AND x.relname = 'idx_organizations_by_id'
            AND i.indisvalid
            AND starts_with(obj_description(i.indexrelid, 'pg_class'), 'connection_paths: ')
    ) AS is_to_build,
    t.relkind = 'p' AS is_partitioned
FROM (
-- Returns the columns that an index has to include, as a list for CREATE INDEX; NULL if there is none. A key that is an
-- expression does not give its columns to an index-only scan, so these are included.
--
-- Parameters
--     table_oid    The table, or NULL.
--     columns      The columns that the index contains, as keys or included.
--     keys, types  The columns that are keys without an expression if they have these types.
SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.number) AS included
FROM unnest(ARRAY['id']::text[]) WITH ORDINALITY AS c (name, number)
WHERE NOT EXISTS (
    SELECT
    FROM unnest(ARRAY['id']::text[], ARRAY['bigint']::text[]) AS k (name, type)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('organizations'))::oid AND a.attname = k.name
    WHERE k.name = c.name AND format_type(a.atttypid, NULL) = k.type
)
) AS c
JOIN pg_class AS t ON t.oid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('organizations')) \gset
\if :is_to_build
DROP INDEX CONCURRENTLY IF EXISTS :"host_schema".idx_organizations_by_id_connection_paths_new;
\if :is_partitioned
-- each partition concurrently; then one index that consists of these
SELECT format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, x.relname)
FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('organizations'))) AS p
JOIN pg_index AS i ON i.indrelid = p.relid AND NOT i.indisvalid
JOIN pg_class AS x ON x.oid = i.indexrelid AND x.relkind = 'i' AND starts_with(x.relname, 'idx_organizations_by_id_part_')
JOIN pg_namespace AS n ON n.oid = x.relnamespace \gexec
SELECT replace(replace(replace(b.create_index, '@@index', b.name), '@@table', b.table_name), '@@included', :'included')
FROM (
    SELECT d.create_index, 'idx_organizations_by_id_part_' || left(md5(d.create_index), 8) || '_' || p.relid::oid AS name,
        n.nspname, format('%I.%I', n.nspname, c.relname) AS table_name
    FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('organizations'))) AS p
    JOIN pg_class AS c ON c.oid = p.relid AND c.relkind = 'r'
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN (VALUES ($create$-- Finds organizations by id where the id is an expression. Where it is a column of the type bigint, the index of the
-- application's key serves, and this one is not built.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("id")::bigint))
    INCLUDE (@@included)$create$)) AS d (create_index)
) AS b
WHERE to_regclass(quote_ident(b.nspname) || '.' || quote_ident(b.name)) IS NULL \gexec
BEGIN;
DROP INDEX IF EXISTS :"host_schema".idx_organizations_by_id;
SELECT replace(replace(replace(replace(
    $create$-- Finds organizations by id where the id is an expression. Where it is a column of the type bigint, the index of the
-- application's key serves, and this one is not built.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("id")::bigint))
    INCLUDE (@@included)$create$, 'CONCURRENTLY @@index', 'idx_organizations_by_id'), '@@table', (to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('organizations')))::regclass::text), '@@included', :'included'),
    'CREATE INDEX CONCURRENTLY', 'CREATE INDEX') \gexec
COMMENT ON INDEX :"host_schema".idx_organizations_by_id IS 'connection_paths: organizations by the id that the package reads';
COMMIT;
\else
DROP INDEX CONCURRENTLY IF EXISTS :"host_schema".idx_organizations_by_id;
SELECT replace(replace(replace(
    $create$-- Finds organizations by id where the id is an expression. Where it is a column of the type bigint, the index of the
-- application's key serves, and this one is not built.
CREATE INDEX CONCURRENTLY @@index
    ON @@table ((("id")::bigint))
    INCLUDE (@@included)$create$, '@@index', 'idx_organizations_by_id_connection_paths_new'), '@@table', (to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('organizations')))::regclass::text), '@@included', :'included') \gexec
BEGIN;
ALTER INDEX :"host_schema".idx_organizations_by_id_connection_paths_new RENAME TO idx_organizations_by_id;
COMMENT ON INDEX :"host_schema".idx_organizations_by_id IS 'connection_paths: organizations by the id that the package reads';
COMMIT;
\endif
\endif
INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ('487e0833beede13688d95ed920beae13beb1f80fb2173e37f8d28499a6fe52bc', '0004_host_indexes', now() AT TIME ZONE 'UTC');

\endif

-- 0005_functions
SELECT NOT EXISTS (
    SELECT FROM connection_paths._yoyo_migration AS m WHERE m.migration_id = '0005_functions'
) AS is_to_do \gset
\if :is_to_do
BEGIN;
-- connection_paths.edge_strength(overlap_days, people, shared_organizations)
--
-- Returns the strength of a work_overlap edge: how probable it is that the two contacts know each other well.
--
-- Parameters
--     overlap_days          How many days the two contacts worked at the same organizations at the same time, each day
--                           once. Less than 0 counts as 0. NULL gives NULL.
--     people                How many people are known to have worked at the smallest organization that the two shared.
--                           Less than 1 counts as 1. NULL gives NULL.
--     shared_organizations  How many organizations the two shared. Less than 1 and NULL count as 1.
-- Returns
--     0 to 100, a multiple of 5.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     work_overlaps, rebuilt_edges, wanted_edges, applications
-- Why
--     More days and more shared organizations never make an edge weaker. More people never make it stronger.
--         People: the highest possible strength falls by 22 when the organization has ten times as many people: 95 at
--         10 people, 73 at 100, 51 at 1,000, 29 at 10,000, at least 10.
--         Days: 1 - exp(-days / 730) of that strength is reached: 39 % after a year, 63 % after two, 78 % after three.
--         Organizations: each further one takes away a fifth of what is missing to 100.
--     The result is a multiple of 5, because dates are not more exact, and because the strength of an edge that goes on
--     then changes a few times in a year and not each week. So the body computes in steps of 5: 20 is 100, and
--     23.4 - 4.4 * log(people) is 117 - 22 * log(people).
--     docs/explanation/strength.md has the sources of these numbers, and pictures. The function is inlined, and costs
--     less than a microsecond. LEAST also keeps exp from an error for very large numbers.
CREATE OR REPLACE FUNCTION connection_paths.edge_strength(
    overlap_days integer,
    people integer,
    shared_organizations integer
)
RETURNS smallint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT (
        5 * pg_catalog.round(
            20 - (
                20 - LEAST(20, GREATEST(2, 23.4 - 4.4 * pg_catalog.log(GREATEST(edge_strength.people, 1)::double precision)))
                * (1 - pg_catalog.exp(LEAST(GREATEST(edge_strength.overlap_days, 0), 36525) / -730::double precision))
            )
            * CASE
                WHEN edge_strength.shared_organizations > 1
                    THEN pg_catalog.power(0.8::double precision, LEAST(edge_strength.shared_organizations, 100) - 1)
                ELSE 1
            END
        )
    )::smallint;
END;

COMMENT ON FUNCTION connection_paths.edge_strength(integer, integer, integer) IS 'The strength of a work_overlap edge, 0 to 100: more with days in common and shared organizations, less with people';

REVOKE ALL ON FUNCTION connection_paths.edge_strength(integer, integer, integer) FROM PUBLIC;

-- connection_paths.strength_tier(strength)
--
-- Returns the word for a strength.
--
-- Parameters
--     strength  The strength of an edge or of a path, 0 to 100. NULL gives NULL.
-- Returns
--     'strong' for 60 and more, 'moderate' for 30 to 59, 'weak' for less than 30.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     path_documents, applications
-- Why
--     The limits of the tiers stand only in this function. The indexes idx_cc_strong_a and idx_cc_strong_b have a limit
--     of their own.
CREATE OR REPLACE FUNCTION connection_paths.strength_tier(strength smallint)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        CASE
            WHEN strength_tier.strength >= 60 THEN 'strong'
            WHEN strength_tier.strength >= 30 THEN 'moderate'
            WHEN strength_tier.strength IS NOT NULL THEN 'weak'
        END;
END;

COMMENT ON FUNCTION connection_paths.strength_tier(smallint) IS 'The word for a strength: strong, moderate or weak';

REVOKE ALL ON FUNCTION connection_paths.strength_tier(smallint) FROM PUBLIC;

-- connection_paths.overlap_days(date_from, date_to, earlier_days)
--
-- Returns how many days the two contacts of an edge have worked at the same organizations at the same time.
--
-- Parameters
--     date_from     The first day of the edge's overlap. NULL gives NULL.
--     date_to       The last day of the edge's overlap. NULL: it goes on.
--     earlier_days  The days in common before date_from: contact_connections.earlier_days. Less than 0 counts as 0, and
--                   more than a billion as a billion. NULL gives NULL.
-- Returns
--     The number of days until today. A day counts once, however many organizations the two shared on it.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     work_overlaps, rebuilt_edges, wanted_edges, path_documents, applications
-- Why
--     The overlap of an edge is the one that ends last. So all other days in common are before its first day, and
--     their number does not change while the overlap goes on. contact_connections stores that number, and this function
--     adds the days of the overlap itself. A stored total would have to be written again each day.
--
--     Today is CURRENT_DATE of the session. Days before the year 1 and days after today do not count, so no date is an
--     error. An application writes the rows of its own kinds, and one odd row must not make a finder fail.
CREATE OR REPLACE FUNCTION connection_paths.overlap_days(date_from date, date_to date, earlier_days integer)
RETURNS integer
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        CASE WHEN overlap_days.date_from IS NOT NULL AND overlap_days.earlier_days IS NOT NULL
            THEN LEAST(GREATEST(overlap_days.earlier_days, 0), 1000000000) + GREATEST(
                GREATEST(LEAST(overlap_days.date_to, CURRENT_DATE), '0001-01-01'::date)
                - GREATEST(LEAST(overlap_days.date_from, CURRENT_DATE + 1), '0001-01-01'::date)
                + 1,
                0
            )
        END;
END;

COMMENT ON FUNCTION connection_paths.overlap_days(date, date, integer) IS 'The days that the two contacts of an edge have in common until today';

REVOKE ALL ON FUNCTION connection_paths.overlap_days(date, date, integer) FROM PUBLIC;

-- connection_paths.size_class(people)
--
-- Returns the size class of a number of people.
--
-- Parameters
--     people  The number of people. Less than 1 counts as 1, and more than 500 million as 500 million. NULL gives NULL.
-- Returns
--     1, 2, 5, 10, 20, 50, 100 and so on: the nearest one, in proportion.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     class_fits, count_organizations, own_stints, resize_organizations
-- Why
--     The strength of an edge depends on the size of an organization. With the exact number, each new colleague would
--     change all edges of the organization.
--
--     The classes are listed and not computed, because PostgreSQL inlines only a body that is one expression without
--     FROM. A sync asks for two classes of each organization that it counts, and a call that is not inlined takes some
--     microseconds (docs/adr/0021-a-sync-refreshes-whole-contacts.md).
CREATE OR REPLACE FUNCTION connection_paths.size_class(people double precision)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    -- the limit between two classes is the square root of their product
    SELECT (
        '{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000,
        2000000, 5000000, 10000000, 20000000, 50000000, 100000000, 200000000, 500000000}'::integer[]
    )[
        1 + pg_catalog.width_bucket(
            size_class.people,
            '{1.41421356, 3.16227766, 7.07106781, 14.1421356, 31.6227766, 70.7106781, 141.421356, 316.227766,
            707.106781, 1414.21356, 3162.27766, 7071.06781, 14142.1356, 31622.7766, 70710.6781, 141421.356, 316227.766,
            707106.781, 1414213.56, 3162277.66, 7071067.81, 14142135.6, 31622776.6, 70710678.1, 141421356,
            316227766}'::double precision[]
        )
    ];
END;

COMMENT ON FUNCTION connection_paths.size_class(double precision) IS 'The size class of a number of people: 1, 2, 5, 10, 20, 50 and so on';

REVOKE ALL ON FUNCTION connection_paths.size_class(double precision) FROM PUBLIC;

-- connection_paths.known_people(organization_id)
--
-- Counts the people who are known to have worked at an organization.
--
-- Parameters
--     organization_id  The organization. NULL: 0.
-- Returns
--     The organization's headcount, where the mapping names such a column and it is positive; otherwise the number of
--     different contacts with a usable work experience there.
-- Errors
--     none
-- Reads
--     employments, known_organizations
-- Writes
--     none
-- Used by
--     count_organizations, own_stints, recount_organizations, sync_changes, sql/queries/edges/wrong_sizes.sql
-- Why
--     The count reads an index only. own_stints needs it for an organization without a row in organization_sizes.
CREATE OR REPLACE FUNCTION connection_paths.known_people(organization_id bigint)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT COALESCE(
        (
            SELECT max(o.headcount)
            FROM connection_paths.known_organizations AS o
            WHERE o.id = known_people.organization_id AND o.headcount > 0
        ),
        (
            SELECT count(DISTINCT e.contact_id)
            FROM connection_paths.employments AS e
            WHERE e.organization_id = known_people.organization_id
        )
    );
END;

COMMENT ON FUNCTION connection_paths.known_people(bigint) IS 'How many people are known to have worked at an organization: its headcount, or the contacts there';

REVOKE ALL ON FUNCTION connection_paths.known_people(bigint) FROM PUBLIC;

-- connection_paths.own_stints(contact_id)
--
-- Returns a contact's own work experiences that can make edges, prepared for the join with those of other contacts.
--
-- Parameters
--     contact_id  The contact. NULL gives no rows.
-- Returns
--     organization_id  The organization.
--     date_from        The first day of the experience.
--     date_to          The last day. NULL: it continues.
--     more_days        How many days after the first one organization_policy requires. 0: none.
--     begun_upto       Only experiences of others that begin on this day or earlier overlap.
--     ended_from       Only experiences of others that end on this day or later are joined with this one.
--     ended_upto       Only experiences of others that end on this day or earlier are joined with this one.
--     worked_from      Since when the contact had worked at the organization without a day between two experiences.
--     people           The size class of the organization.
-- Errors
--     none
-- Reads
--     employments, live_organizations, organization_policy, organization_sizes
-- Writes
--     none
-- Used by
--     possible_overlaps
-- Why
--     possible_overlaps explains which experiences are joined with which.
--     PostgreSQL inlines this function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.own_stints(contact_id bigint)
RETURNS TABLE (
    organization_id bigint,
    date_from date,
    date_to date,
    more_days integer,
    begun_upto date,
    ended_from date,
    ended_upto date,
    worked_from date,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 5
BEGIN ATOMIC
    SELECT
        s.organization_id,
        s.date_from,
        s.date_to,
        s.more_days,
        CASE
            -- PostgreSQL has no day before this one
            WHEN s.date_to < '4714-11-24 BC'::date + s.more_days THEN '-infinity'::date
            ELSE LEAST(s.date_to, CURRENT_DATE) - s.more_days
        END AS begun_upto,
        CASE s.more_days
            WHEN 0 THEN GREATEST(s.date_from, s.earlier_end)
            ELSE s.date_from + s.more_days
        END AS ended_from,
        CASE
            WHEN s.more_days = 0 AND NOT lead(s.is_return, 1, true) OVER by_start
                THEN GREATEST(s.date_to, lead(s.date_from) OVER by_start)
            ELSE 'infinity'::date
        END AS ended_upto,
        CASE s.more_days
            WHEN 0 THEN max(CASE WHEN s.is_return THEN s.date_from END) OVER by_start
            ELSE s.date_from
        END AS worked_from,
        COALESCE(
            (
                SELECT z.people
                FROM connection_paths.organization_sizes AS z
                WHERE z.organization_id = s.organization_id
            ),
            connection_paths.size_class(connection_paths.known_people(s.organization_id))
        ) AS people
    FROM (
        SELECT
            e.organization_id,
            e.date_from,
            e.date_to,
            -- hashed once: without such a policy, no look-up for each experience
            CASE
                WHEN e.organization_id IN (
                    SELECT p.organization_id
                    FROM connection_paths.organization_policy AS p
                    WHERE p.rule = 'long_overlaps'
                ) THEN (
                    SELECT p.min_overlap_days - 1
                    FROM connection_paths.organization_policy AS p
                    WHERE p.organization_id = e.organization_id
                )
                ELSE 0
            END AS more_days,
            r.rank,
            max(r.rank) OVER earlier AS earlier_end,
            -- 'infinity' and the last possible day have the same rank, and 'infinity' is later
            e.date_to = 'infinity'::date AND NOT COALESCE(bool_or(e.date_to = 'infinity'::date) OVER earlier, false)
                AS is_first_endless,
            CASE
                WHEN e.date_from > max(r.rank) OVER earlier
                    THEN e.date_from > max(r.rank) OVER earlier + 1 -- which is no later, so this is always a date
                ELSE max(r.rank) OVER earlier IS NULL
            END AS is_return
        FROM connection_paths.employments AS e
        CROSS JOIN LATERAL (
            -- NULL sorts after 'infinity': the rank of 'infinity' is the last possible day
            SELECT
                CASE e.date_to
                    WHEN 'infinity'::date THEN '5874897-12-31'::date
                    ELSE COALESCE(e.date_to, 'infinity'::date)
                END AS rank
        ) AS r
        WHERE e.contact_id = own_stints.contact_id
            AND e.date_from <= CURRENT_DATE
            AND EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id)
        WINDOW earlier AS (
            PARTITION BY e.organization_id
            ORDER BY e.date_from, r.rank DESC, e.date_to DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS s
    WHERE s.date_from + s.more_days <= LEAST(s.date_to, CURRENT_DATE)
        AND (
            s.earlier_end IS NULL
            OR s.earlier_end < s.rank
            OR s.earlier_end = s.rank AND s.is_first_endless
        )
    WINDOW by_start AS (PARTITION BY s.organization_id ORDER BY s.date_from, s.rank DESC)
    -- optimization fence: the conditions below then refer to one relation and become index conditions
    OFFSET 0;
END;

COMMENT ON FUNCTION connection_paths.own_stints(bigint) IS 'A contact''s own work experiences that can make edges; part of possible_overlaps';

REVOKE ALL ON FUNCTION connection_paths.own_stints(bigint) FROM PUBLIC;

-- connection_paths.possible_overlaps(contact_id, neighbours_from)
--
-- Computes the overlaps of a contact's work experiences with those of contacts that may or may not exist.
--
-- Parameters
--     contact_id       The contact. NULL gives no rows.
--     neighbours_from  Only neighbours with this id or a greater one are returned. NULL: all.
-- Returns
--     neighbour_id     The other contact. Each contact once.
--     organization_id  The organization of the overlap.
--     date_from        The first day of the overlap.
--     date_to          The last day of the overlap. NULL: both work experiences continue.
--     shared_organizations  How many organizations the two shared.
--     earlier_days     How many days before date_from the two had in common: see overlap_days.
--     people           The size class of the smallest organization that the two shared.
-- Errors
--     none
-- Reads
--     employments
-- Writes
--     none
-- Used by
--     rebuilt_edges, wanted_edges, work_overlaps
-- Why
--     Two contacts overlap when a usable work experience of each names the same live organization and the two date
--     ranges, ends included, share a day. The overlap is the intersection of the ranges. Of several overlaps of two
--     contacts the function chooses the one that ends last (one that continues ends last of all), then the one that
--     starts first, then the one with the smallest organization id. An overlap that starts after today does not count
--     yet. Today is CURRENT_DATE: it depends on the TimeZone of the session. schedule_refreshes refreshes the contact
--     on the day when such an overlap starts.
--
--     organization_policy may ask for overlaps of at least min_overlap_days days. An overlap counts from its last
--     required day on, so one that goes on may begin to count later. For the comparisons below, the function moves the
--     start of each work experience by more_days, the number of required days after the first one. Two experiences
--     have a long enough overlap when the moved ranges share a day. A moved range that is empty is left out. So the
--     rule needs no step of its own. Without a policy, more_days is 0.
--
--     A contact may have many work experiences at one organization. A plain join would make a row for every pair of
--     experiences of the two contacts. Here each experience of another contact is joined with only one of the contact's
--     own, the one with the best intersection:
--         1. An own experience that lies within another own one is left out. Every intersection with it lies within an
--            intersection with the other one, which ends no earlier and, when it ends on the same day, starts no later.
--         2. The own experiences that are left have the same order by start and by end. For an experience of another
--            contact that ends on some day, the best own experience is the first one that ends on that day or later, if
--            it has started by that day; otherwise it is the one before. So each own experience is joined only with
--            experiences that end after the previous own one ends (ended_from) and not after the later of two days: the
--            end of this one and the start of the next one (ended_upto).
--     The chosen overlap equals that of the plain join.
--
--     The days in common are those of all overlaps, each day once. Own experiences that follow each other without a day
--     between them count as one, from worked_from on: the days in common with it are one range, from shared_from to
--     date_to. An experience before a time elsewhere is joined with all experiences that end later (ended_upto is
--     infinity), because the other contact may have stayed all the time. So almost every experience of another contact
--     still makes one row. The rows of a neighbour are sorted by their last day, the latest one first. A row adds its
--     days before the earliest day of the rows before it. All days in common after the first day of the chosen overlap
--     belong to it, because it ends last; the days before are earlier_days.
--
--     Where a policy asks for long overlaps, own experiences are not put together: each overlap must be long enough.
--
--     The functions that use this one remove contacts that do not exist: work_overlaps looks up each neighbour, which
--     takes as long as finding it; wanted_edges looks up all neighbours at once; rebuilt_edges uses a list of missing
--     contacts.
--     PostgreSQL inlines this function into the calling query and plans both together. LEAST ignores NULL, so date_to
--     is NULL only when both dates are NULL.
CREATE OR REPLACE FUNCTION connection_paths.possible_overlaps(contact_id bigint, neighbours_from bigint)
RETURNS TABLE (
    neighbour_id bigint,
    organization_id bigint,
    date_from date,
    date_to date,
    shared_organizations smallint,
    earlier_days integer,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 200
BEGIN ATOMIC
    SELECT
        r.neighbour_id,
        min(r.organization_id) FILTER (WHERE r.later_from IS NULL),
        min(r.date_from) FILTER (WHERE r.later_from IS NULL),
        min(r.date_to) FILTER (WHERE r.later_from IS NULL),
        CASE
            WHEN min(r.organization_id) = max(r.organization_id) THEN 1
            ELSE (
                SELECT count(DISTINCT o.id)
                FROM unnest(
                    array_agg(r.organization_id) FILTER (WHERE r.later_from IS NOT NULL)
                    || min(r.organization_id) FILTER (WHERE r.later_from IS NULL)
                ) AS o (id)
            )
        END::smallint,
        sum(
            CASE
                WHEN r.later_from IS NULL AND r.date_from = r.shared_from THEN 0
                ELSE GREATEST(
                    GREATEST(
                        -- the day before is no error for any date, because days before the year 1 do not count
                        LEAST(r.date_to, GREATEST(COALESCE(r.later_from, r.date_from), '0001-01-01'::date) - 1),
                        '0001-12-31 BC'::date
                    ) - GREATEST(r.shared_from, '0001-01-01'::date) + 1,
                    0
                )
            END
        )::integer,
        min(r.people)
    FROM (
        SELECT
            pair.neighbour_id,
            pair.organization_id,
            pair.date_from,
            pair.date_to,
            pair.shared_from,
            pair.people,
            -- NULL for the first row, which is the chosen overlap
            min(pair.shared_from) OVER earlier_rows AS later_from
        FROM (
            SELECT
                theirs.contact_id AS neighbour_id,
                mine.organization_id,
                GREATEST(mine.date_from, theirs.date_from) AS date_from,
                LEAST(mine.date_to, theirs.date_to) AS date_to,
                GREATEST(mine.worked_from, theirs.date_from) AS shared_from,
                mine.people
            FROM connection_paths.own_stints(possible_overlaps.contact_id) AS mine
            -- LATERAL and OFFSET 0: with them, the conditions reach the indexes of each part of a view that is a UNION
            CROSS JOIN LATERAL (
                SELECT e.contact_id, e.date_from, e.date_to
                FROM connection_paths.employments AS e
                WHERE e.organization_id = mine.organization_id
                    -- These are index conditions of idx_experiences_by_organization, which contains the same COALESCE.
                    -- The second parts of the first two row comparisons never decide. They keep PostgreSQL 18 from a
                    -- skip scan, which is 25 % slower here.
                    AND (COALESCE(e.date_to, 'infinity'::date), e.date_from) >= (mine.ended_from, '-infinity'::date)
                    AND (COALESCE(e.date_to, 'infinity'::date), e.date_from) <= (mine.ended_upto, 'infinity'::date)
                    AND mine.begun_upto >= e.date_from
                    -- the other experience is long enough, too
                    AND (
                        mine.more_days = 0
                        OR COALESCE(e.date_to, 'infinity'::date) >= LEAST(e.date_from, CURRENT_DATE) + mine.more_days
                    )
                    AND e.contact_id <> possible_overlaps.contact_id
                    AND e.contact_id >= COALESCE(possible_overlaps.neighbours_from, -9223372036854775808)
                OFFSET 0
            ) AS theirs
            -- optimization fence: PostgreSQL sorts the few rows found instead of reading all contacts in this order
            OFFSET 0
        ) AS pair
        WINDOW earlier_rows AS (
            PARTITION BY pair.neighbour_id
            ORDER BY pair.date_to DESC NULLS FIRST, pair.date_from, pair.organization_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS r
    GROUP BY r.neighbour_id;
END;

COMMENT ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) IS 'The overlaps of a contact with contacts that may or may not exist; applications use work_overlaps';

REVOKE ALL ON FUNCTION connection_paths.possible_overlaps(bigint, bigint) FROM PUBLIC;

-- connection_paths.work_overlaps(contact_id, neighbours_from)
--
-- Computes the work_overlap edges that a contact should have.
--
-- Parameters
--     contact_id       The contact. NULL or a contact that does not exist gives no rows.
--     neighbours_from  Only neighbours with this id or a greater one are returned. NULL, the default: all. A caller
--                      that passes the contact's own id for each of many contacts gets every edge once.
-- Returns
--     neighbour_id     The other contact. Each contact once.
--     organization_id  The organization where both worked.
--     date_from        The first day of the overlap.
--     date_to          The last day of the overlap. NULL: both work experiences continue.
--     strength         The strength of the edge: see edge_strength.
--     shared_organizations  How many organizations the two shared.
--     earlier_days     How many days before date_from the two had in common: see overlap_days.
--     people           The size class of the smallest organization that the two shared.
-- Errors
--     none
-- Reads
--     live_contacts
-- Writes
--     none
-- Used by
--     edges_from_experiences, predicted_edges, sql/queries/doctor/plan_work_overlaps.sql,
--     sql/queries/edges/verify_edges.sql, sql/queries/rebuild/rebuild_problems.sql,
--     sql/queries/runs/edges_of_contacts.sql
-- Why
--     This function and possible_overlaps are the definition of an edge, and every check compares with it.
--     wanted_edges returns the same edges for many contacts. Two contacts have an edge when both exist and their work
--     experiences overlap: possible_overlaps finds the overlaps, and this function removes contacts that do not exist.
--     PostgreSQL inlines this function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.work_overlaps(
    contact_id bigint,
    neighbours_from bigint DEFAULT NULL
)
RETURNS TABLE (
    neighbour_id bigint,
    organization_id bigint,
    date_from date,
    date_to date,
    strength smallint,
    shared_organizations smallint,
    earlier_days integer,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 200
BEGIN ATOMIC
    SELECT
        best.neighbour_id,
        best.organization_id,
        best.date_from,
        best.date_to,
        connection_paths.edge_strength(
            connection_paths.overlap_days(best.date_from, best.date_to, best.earlier_days),
            best.people,
            best.shared_organizations
        ),
        best.shared_organizations,
        best.earlier_days,
        best.people
    FROM connection_paths.possible_overlaps(work_overlaps.contact_id, work_overlaps.neighbours_from) AS best
    -- here and not in possible_overlaps: one look-up for each neighbour, not one for each pair of experiences
    WHERE EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = best.neighbour_id)
        AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = work_overlaps.contact_id);
END;

COMMENT ON FUNCTION connection_paths.work_overlaps(bigint, bigint) IS 'The work_overlap edges a contact should have: the one definition of an edge';

REVOKE ALL ON FUNCTION connection_paths.work_overlaps(bigint, bigint) FROM PUBLIC;

-- connection_paths.search_limit(name)
--
-- Gives a limit or a default of the finders; these numbers are written down nowhere else.
--
-- Parameters
--     name  The name of the number; the body lists the names with their meanings. An unknown name gives NULL.
-- Returns
--     The number.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     checked_request, checked_exclusions, contact_edges, near_members, search, longer_paths,
--     count_around_target, count_target_experiences, why_no_more
-- Why
--     The planner replaces a call by its number when it plans the caller, so a call costs nothing at run time.
CREATE OR REPLACE FUNCTION connection_paths.search_limit(name text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT CASE search_limit.name
        -- find_paths and deep_finder: how many edges of a contact the search follows
        WHEN 'max_edges_per_hop' THEN 15
        -- every finder: the longest path, in contacts; the most paths of an answer
        WHEN 'deepest' THEN 6
        WHEN 'most_paths' THEN 1000
        -- find_paths and deep_finder: organizations or users in a filter
        WHEN 'most_listed' THEN 1000
        -- find_paths: contacts in excluded_contact_ids
        WHEN 'most_excluded' THEN 10000
        -- the strength from which idx_cc_strong_a and idx_cc_strong_b hold an edge
        WHEN 'strong' THEN 30
        -- search: edges of the target that are read first
        WHEN 'read_first' THEN 100
        -- longer_paths: a collection is hashed when it has at most hashed_each entries for each chain from which the
        -- search goes on, and not more than hashed_most
        WHEN 'hashed_each' THEN 300
        WHEN 'hashed_most' THEN 16000
        -- why_no_more: an answer of fewer paths than this is explained with counts
        WHEN 'few_paths' THEN 5
        -- why_no_more: where each count stops
        WHEN 'counted_to' THEN 500
        -- why_no_more: entries of a collection that are searched for the viewer
        WHEN 'looked_through' THEN 10000
    END;
END;

COMMENT ON FUNCTION connection_paths.search_limit(text) IS 'A limit or a default of the finders, by its name';

REVOKE ALL ON FUNCTION connection_paths.search_limit(text) FROM PUBLIC;

-- connection_paths.checked_exclusions(excluded_contact_ids)
--
-- Checks the contacts that a call of find_paths excludes, and sorts them.
--
-- Parameters
--     excluded_contact_ids  Contacts who may not be asked, at most 10,000. Required; without NULL; one may come
--                           twice.
-- Returns
--     The same contacts, sorted, each once.
-- Errors
--     22004  The array is NULL, or holds a NULL.
--     22023  The array holds more than 10,000 contacts.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     find_paths
CREATE OR REPLACE FUNCTION connection_paths.checked_exclusions(excluded_contact_ids bigint[])
RETURNS bigint[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    most_excluded CONSTANT integer := connection_paths.search_limit('most_excluded');
    excluded bigint[];
BEGIN
    IF excluded_contact_ids = '{}' THEN
        RETURN excluded_contact_ids;
    ELSIF excluded_contact_ids IS NULL THEN
        RAISE EXCEPTION 'excluded_contact_ids must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give ids of contacts, or ''{}'' for nobody.';
    ELSIF cardinality(excluded_contact_ids) > most_excluded THEN
        RAISE EXCEPTION 'excluded_contact_ids must be % at most, not %', most_excluded, cardinality(excluded_contact_ids)
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Who is never to be asked in a collection belongs in connection_paths.do_not_ask.';
    END IF;
    excluded := ARRAY(
        SELECT DISTINCT x.contact_id FROM unnest(excluded_contact_ids) AS x (contact_id) ORDER BY x.contact_id
    );
    IF excluded[cardinality(excluded)] IS NULL THEN
        RAISE EXCEPTION 'excluded_contact_ids must not hold a null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give ids of contacts, or ''{}'' for nobody.';
    END IF;
    RETURN excluded;
END
$function$;

COMMENT ON FUNCTION connection_paths.checked_exclusions(bigint[]) IS 'The contacts that a call excludes, sorted, each once; or raises 22004 or 22023';

REVOKE ALL ON FUNCTION connection_paths.checked_exclusions(bigint[]) FROM PUBLIC;

-- connection_paths.edges_from_experiences(contact_id)
--
-- Computes the edges of a contact from work experiences, for a search that does not read the edge table.
--
-- Parameters
--     contact_id  The contact. NULL or unknown: an empty array.
-- Returns
--     An array with one edge per colleague.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     find_paths, legacy_finder
-- Why
--     The finders forbid nested loops and sorts in their own statements. The overlaps of work experiences need
--     both, so this function has settings of its own.
CREATE OR REPLACE FUNCTION connection_paths.edges_from_experiences(contact_id bigint)
RETURNS connection_paths.edge_details[]
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_nestloop = on
SET enable_sort = on
SET enable_incremental_sort = on
AS $function$
BEGIN
    RETURN ARRAY(
        SELECT ROW(
            w.neighbour_id, 'work_overlap', w.strength, w.shared_organizations, w.organization_id, w.date_from,
            w.date_to, w.earlier_days, w.people
        )::connection_paths.edge_details
        FROM connection_paths.work_overlaps(edges_from_experiences.contact_id) AS w
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.edges_from_experiences(bigint) IS 'The edges that a contact''s work experiences make, for a search without the edge table';

REVOKE ALL ON FUNCTION connection_paths.edges_from_experiences(bigint) FROM PUBLIC;

-- connection_paths.user_opens(user_id, opener_user_ids, closed_user_ids)
--
-- Says whether a user may open a path of a search.
--
-- Parameters
--     user_id          The user.
--     opener_user_ids  The users who may open a path, sorted. NULL: every user.
--     closed_user_ids  The users who open no path, sorted. NULL: none.
-- Returns
--     True or false.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     askable_members, next_contacts, path_documents, why_no_more
-- Why
--     This is the only place that knows who may open. The planner inlines it. width_bucket finds a place in a sorted
--     array by halving.
CREATE OR REPLACE FUNCTION connection_paths.user_opens(
    user_id bigint,
    opener_user_ids bigint[],
    closed_user_ids bigint[]
)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT (
            user_opens.opener_user_ids IS NULL
            OR user_opens.opener_user_ids[width_bucket(user_opens.user_id, user_opens.opener_user_ids)] = user_opens.user_id
        )
        AND (
            user_opens.closed_user_ids[width_bucket(user_opens.user_id, user_opens.closed_user_ids)] = user_opens.user_id
        ) IS NOT TRUE;
END;

COMMENT ON FUNCTION connection_paths.user_opens(bigint, bigint[], bigint[]) IS 'Whether a user may open a path of a search';

REVOKE ALL ON FUNCTION connection_paths.user_opens(bigint, bigint[], bigint[]) FROM PUBLIC;

-- connection_paths.edge_passes(request, kind, strength, date_to, organization_id)
--
-- Says whether an edge passes the filters of a search.
--
-- Parameters
--     request          What is asked, already checked. Required.
--     kind             The kind of the edge.
--     strength         The strength of the edge.
--     date_to          The last day of the edge; NULL: it goes on.
--     organization_id  The organization of the edge; NULL where its kind knows none.
-- Returns
--     True or false. An edge without an organization passes not_via_organization_ids, and not via_organization_ids.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     contact_edges, pair_edges, near_members, count_around_target
-- Why
--     No other function of one server knows the filters on edges. Where Citus distributes the edges, shard_edges
--     repeats them. An edge that does not pass does not exist for the search.
--     The planner inlines this function.
CREATE OR REPLACE FUNCTION connection_paths.edge_passes(
    request connection_paths.search_request,
    kind connection_paths.connection_kind,
    strength smallint,
    date_to date,
    organization_id bigint
)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    -- a filter that is not set is NULL, and makes its comparison NULL
    SELECT (edge_passes.kind = ANY ((edge_passes.request).kinds)) IS NOT FALSE
        AND (edge_passes.strength >= (edge_passes.request).min_strength) IS NOT FALSE
        AND (edge_passes.date_to >= (edge_passes.request).ended_after) IS NOT FALSE
        AND (
            (edge_passes.request).via_organization_ids IS NULL
            OR (edge_passes.organization_id = ANY ((edge_passes.request).via_organization_ids)) IS TRUE
        )
        AND (edge_passes.organization_id = ANY ((edge_passes.request).not_via_organization_ids)) IS NOT TRUE;
END;

COMMENT ON FUNCTION connection_paths.edge_passes(connection_paths.search_request, connection_paths.connection_kind, smallint, date, bigint) IS 'Whether an edge passes the filters of a search';

REVOKE ALL ON FUNCTION connection_paths.edge_passes(connection_paths.search_request, connection_paths.connection_kind, smallint, date, bigint)
FROM PUBLIC;

-- connection_paths.contact_edges(contact_id, request, is_strong, is_filtered)
--
-- Gives the edges of a contact, the best first.
--
-- Parameters
--     contact_id   The contact.
--     request      What is asked, already checked. Required.
--     is_strong    NULL: all edges, the most recent first. True: the edges that idx_cc_strong_a and idx_cc_strong_b
--                  hold, the strongest first. False: all others, the strongest first. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row per edge. By strength, the strongest edge comes first. Of equally strong edges, and by recency, an edge
--     that goes on comes first, then the latest last day, then the smaller neighbour. A pair with edges of several
--     kinds comes several times.
--     neighbour_id  The contact at the other end.
--     strength      The strength of the edge. NULL: the order by recency does not read it.
--     date_to       The last day of the edge; NULL: it goes on.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     search, near_members, front_edges, count_around_target, sql/queries/sweep/contacts.sql
-- Why
--     The planner inlines this function and merges two indexes, both index-only: idx_cc_walk_a and idx_cc_walk_b, or
--     idx_cc_strong_a and idx_cc_strong_b. It stops after the last row that the caller needs. Edges that are not strong
--     are read from the table and sorted (docs/adr/0018-strong-edges-are-indexed.md). Each arm states its order itself:
--     the planner does not see that the first column of the index is constant within an arm, and would sort every edge
--     of a hub. The planner removes the parts that the constants rule out. With filters, the plan reads the table, too.
CREATE OR REPLACE FUNCTION connection_paths.contact_edges(
    contact_id bigint,
    request connection_paths.search_request,
    is_strong boolean,
    is_filtered boolean
)
RETURNS TABLE (neighbour_id bigint, strength smallint, date_to date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT e.neighbour_id, e.strength, e.date_to
    FROM (
        (
            SELECT
                c.contact_b_id AS neighbour_id, CASE WHEN contact_edges.is_strong IS NOT NULL THEN c.strength END AS strength,
                c.date_to
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_a_id = contact_edges.contact_id
                AND (
                    contact_edges.is_strong IS NULL
                    OR (c.strength >= connection_paths.search_limit('strong')) = contact_edges.is_strong
                )
                AND (
                    NOT contact_edges.is_filtered
                    OR connection_paths.edge_passes(contact_edges.request, c.kind, c.strength, c.date_to, c.organization_id)
                )
            ORDER BY strength DESC, date_to DESC NULLS FIRST, neighbour_id
        )
        UNION ALL
        (
            SELECT
                c.contact_a_id AS neighbour_id, CASE WHEN contact_edges.is_strong IS NOT NULL THEN c.strength END AS strength,
                c.date_to
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_b_id = contact_edges.contact_id
                AND (
                    contact_edges.is_strong IS NULL
                    OR (c.strength >= connection_paths.search_limit('strong')) = contact_edges.is_strong
                )
                AND (
                    NOT contact_edges.is_filtered
                    OR connection_paths.edge_passes(contact_edges.request, c.kind, c.strength, c.date_to, c.organization_id)
                )
            ORDER BY strength DESC, date_to DESC NULLS FIRST, neighbour_id
        )
    ) AS e
    ORDER BY
        CASE WHEN contact_edges.is_strong IS NOT NULL THEN e.strength END DESC,
        e.date_to DESC NULLS FIRST, e.neighbour_id;
END;

COMMENT ON FUNCTION connection_paths.contact_edges(bigint, connection_paths.search_request, boolean, boolean) IS 'The edges of a contact, from either end, the best first, read from indexes in order';

REVOKE ALL ON FUNCTION connection_paths.contact_edges(bigint, connection_paths.search_request, boolean, boolean) FROM PUBLIC;

-- connection_paths.pair_edges(contact_id, neighbour_id, request)
--
-- Gives the edges between two contacts that pass the filters of a search.
--
-- Parameters
--     contact_id    One contact.
--     neighbour_id  The other contact.
--     request       What is asked, already checked. Required.
-- Returns
--     One edge per kind, in no order.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     all_members, front_edges, path_hops, count_around_target
-- Why
--     A search reads the edge table only through contact_edges, neighbours and this function.
CREATE OR REPLACE FUNCTION connection_paths.pair_edges(
    contact_id bigint,
    neighbour_id bigint,
    request connection_paths.search_request
)
RETURNS SETOF connection_paths.edge_details
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT e.*
    FROM (
        SELECT
            pair_edges.neighbour_id, c.kind, c.strength, c.shared_organizations, c.organization_id, c.date_from, c.date_to,
            c.earlier_days, c.people
        FROM connection_paths.contact_connections AS c
        WHERE c.contact_a_id = LEAST(pair_edges.contact_id, pair_edges.neighbour_id)
            AND c.contact_b_id = GREATEST(pair_edges.contact_id, pair_edges.neighbour_id)
        -- a fence: the pair is found by the primary key; the planner may otherwise read all edges of one contact
        OFFSET 0
    ) AS e
    WHERE connection_paths.edge_passes(pair_edges.request, e.kind, e.strength, e.date_to, e.organization_id);
END;

COMMENT ON FUNCTION connection_paths.pair_edges(bigint, bigint, connection_paths.search_request) IS 'The edges between two contacts that pass the filters of a search';

REVOKE ALL ON FUNCTION connection_paths.pair_edges(bigint, bigint, connection_paths.search_request) FROM PUBLIC;

-- connection_paths.checked_request(target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope,
--     max_edges_per_hop, order_by, kinds, min_strength, ended_after, via_organization_ids,
--     not_via_organization_ids, opener_user_ids, max_per_introducer)
--
-- Checks the arguments that all finders share, and makes a search request of them.
--
-- Parameters
--     target_contact_id         The contact to be introduced to. Required; an unknown id gives an empty answer.
--     collection_id             The collection whose members may be asked. Required; an unknown id gives an empty
--                               answer.
--     viewer_user_id            The user who asks. Required.
--     max_depth                 The most contacts on a path, 1 to 6.
--     max_paths                 The most paths to return, 1 to 1,000.
--     seed_scope                Who may open a path: 'any' (every user of the collection) or 'importer' (only the
--                               viewer).
--     max_edges_per_hop         Through how many best edges of a contact the search goes on, 1 or more. NULL: all.
--     order_by                  Which edges and paths are the best: 'recency' or 'strength'.
--     kinds                     Only edges of these kinds. NULL: every kind.
--     min_strength              Only edges of at least this strength, 0 to 100. NULL: every edge.
--     ended_after               Only edges that go on, or end on this day or later. NULL: every edge.
--     via_organization_ids      Only edges of these organizations, 1 to 1,000 of them. NULL: every edge.
--     not_via_organization_ids  No edge of these organizations, at most 1,000 of them. NULL: every edge.
--     opener_user_ids           Only these users open paths, 1 to 1,000 of them. NULL: every user.
--     max_per_introducer        How many paths may have the same contact before the target, 1 or more. NULL: any
--                               number.
-- Returns
--     The request. It has no excluded contacts, no deadline and no given edges, and counts a chain once for each user
--     who can open it (by_chain is false). find_paths and legacy_finder change that.
-- Errors
--     22004  An argument is NULL that must not be, or a list has a NULL element; the message names the argument and the
--            hint says what is allowed.
--     22023  An argument is outside its range; the message names it and the hint says what is allowed.
-- Reads
--     do_not_ask, do_not_ask_users, introduction_limits
-- Writes
--     none
-- Used by
--     find_paths, deep_finder, legacy_finder
-- Why
--     Most collections have no rule about who may be asked. The request says so, and then the finders check no member.
--     With OFFSET 0, each of these tables is looked up once. Otherwise the planner would repeat a look-up at each place
--     that uses its result.
CREATE OR REPLACE FUNCTION connection_paths.checked_request(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer,
    max_paths integer,
    seed_scope text,
    max_edges_per_hop integer,
    order_by text,
    kinds text[],
    min_strength integer,
    ended_after date,
    via_organization_ids bigint[],
    not_via_organization_ids bigint[],
    opener_user_ids bigint[],
    max_per_introducer integer
)
RETURNS connection_paths.search_request
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    deepest CONSTANT integer := connection_paths.search_limit('deepest');
    most_paths CONSTANT integer := connection_paths.search_limit('most_paths');
    most_listed CONSTANT integer := connection_paths.search_limit('most_listed');
    known_kinds CONSTANT text[] := CASE WHEN kinds IS NOT NULL THEN enum_range(NULL::connection_paths.connection_kind) END;
    list_with_null CONSTANT text := CASE
        WHEN num_nulls(VARIADIC kinds) > 0 THEN 'kinds'
        WHEN num_nulls(VARIADIC via_organization_ids) > 0 THEN 'via_organization_ids'
        WHEN num_nulls(VARIADIC not_via_organization_ids) > 0 THEN 'not_via_organization_ids'
        WHEN num_nulls(VARIADIC opener_user_ids) > 0 THEN 'opener_user_ids'
    END;
    -- the first argument that is wrong: its name, its value, what is allowed, and what NULL means where it is allowed
    wrong CONSTANT text[] := CASE
        WHEN target_contact_id IS NULL THEN ARRAY['target_contact_id', NULL, 'the id of a contact']
        WHEN collection_id IS NULL THEN ARRAY['collection_id', NULL, 'the id of a collection']
        WHEN viewer_user_id IS NULL THEN ARRAY['viewer_user_id', NULL, 'the id of the user who asks']
        WHEN (max_depth BETWEEN 1 AND deepest) IS NOT TRUE
            THEN ARRAY['max_depth', max_depth::text, 'from 1 to ' || deepest]
        WHEN (max_paths BETWEEN 1 AND most_paths) IS NOT TRUE
            THEN ARRAY['max_paths', max_paths::text, 'from 1 to ' || most_paths]
        WHEN (seed_scope IN ('any', 'importer')) IS NOT TRUE
            THEN ARRAY['seed_scope', quote_literal(seed_scope), 'any or importer']
        WHEN max_edges_per_hop < 1
            THEN ARRAY['max_edges_per_hop', max_edges_per_hop::text, '1 or more', 'no limit']
        WHEN (order_by IN ('recency', 'strength')) IS NOT TRUE
            THEN ARRAY['order_by', quote_literal(order_by), 'recency or strength']
        WHEN kinds = '{}' OR NOT kinds <@ known_kinds
            THEN ARRAY['kinds', kinds::text, 'some of ' || known_kinds::text, 'every kind']
        WHEN min_strength NOT BETWEEN 0 AND 100
            THEN ARRAY['min_strength', min_strength::text, 'from 0 to 100', 'every edge']
        WHEN cardinality(via_organization_ids) NOT BETWEEN 1 AND most_listed
            THEN ARRAY['via_organization_ids', cardinality(via_organization_ids)::text,
                '1 to ' || most_listed || ' ids', 'every edge']
        WHEN cardinality(not_via_organization_ids) > most_listed
            THEN ARRAY['not_via_organization_ids', cardinality(not_via_organization_ids)::text,
                'at most ' || most_listed || ' ids', 'every edge']
        WHEN cardinality(opener_user_ids) NOT BETWEEN 1 AND most_listed
            THEN ARRAY['opener_user_ids', cardinality(opener_user_ids)::text,
                '1 to ' || most_listed || ' ids', 'every user']
        WHEN max_per_introducer < 1
            THEN ARRAY['max_per_introducer', max_per_introducer::text, '1 or more', 'no limit']
    END;
    openers bigint[] := CASE WHEN seed_scope = 'importer' THEN ARRAY[viewer_user_id] END;
BEGIN
    IF list_with_null IS NOT NULL THEN
        RAISE EXCEPTION '% must not hold a null', list_with_null
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the whole argument as NULL for no filter.';
    ELSIF wrong[2] IS NOT NULL THEN
        RAISE EXCEPTION '% must be %, not %', wrong[1], wrong[3], wrong[2]
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Allowed: ' || wrong[3] || COALESCE(', or NULL for ' || wrong[4], '') || '.';
    ELSIF wrong IS NOT NULL THEN
        RAISE EXCEPTION '% must not be null', wrong[1]
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Allowed: ' || wrong[3] || '.';
    END IF;
    IF opener_user_ids IS NOT NULL THEN
        openers := ARRAY(
            SELECT DISTINCT o.user_id
            FROM unnest(opener_user_ids) AS o (user_id)
            WHERE seed_scope = 'any' OR o.user_id = viewer_user_id
            ORDER BY o.user_id
        );
    END IF;
    RETURN (
        SELECT ROW(
            target_contact_id, collection_id, viewer_user_id, max_depth, max_paths,
            NOT a.has_refusals AND NOT a.has_limits, a.has_limits, false,
            NOT (kinds, min_strength, ended_after, via_organization_ids, not_via_organization_ids) IS NULL,
            openers,
            NULLIF(ARRAY(SELECT u.user_id FROM connection_paths.do_not_ask_users AS u ORDER BY u.user_id), '{}'),
            max_edges_per_hop, max_per_introducer, order_by, seed_scope, kinds::connection_paths.connection_kind[],
            min_strength, ended_after, via_organization_ids, not_via_organization_ids, '{}', NULL, NULL
        )::connection_paths.search_request
        FROM (
            SELECT
                EXISTS (SELECT FROM connection_paths.do_not_ask AS d WHERE d.collection_id IS NULL)
                OR EXISTS (
                    SELECT FROM connection_paths.do_not_ask AS d WHERE d.collection_id = checked_request.collection_id
                ) AS has_refusals,
                EXISTS (
                    SELECT FROM connection_paths.introduction_limits AS l
                    WHERE l.collection_id = checked_request.collection_id OR l.collection_id IS NULL
                ) AS has_limits
            OFFSET 0
        ) AS a
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.checked_request(bigint, bigint, bigint, integer, integer, text, integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer) IS 'The request of a search; raises 22004 or 22023, naming the argument, for what no finder accepts';

REVOKE ALL ON FUNCTION connection_paths.checked_request(bigint, bigint, bigint, integer, integer, text, integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer)
FROM PUBLIC;

-- connection_paths.may_be_asked_again(collection_id, contact_id)
--
-- Says whether the limits in introduction_limits allow another request to a contact.
--
-- Parameters
--     collection_id  The collection that the path is in.
--     contact_id     The contact who would be asked.
-- Returns
--     False when a limit of the collection, or of all collections, is reached: within its last per_days days the
--     contact was asked max_requests times, not counting withdrawn requests.
-- Errors
--     none
-- Reads
--     introduction_limits, introduction_requests
-- Writes
--     none
-- Used by
--     askable_members
-- Why
--     askable_members calls it only where a limit exists. As a part of askable_members, its two tables would add 5 % to
--     every search without limits, because PostgreSQL opens each table of a plan
--     (docs/adr/0019-consent-in-one-view.md).
CREATE OR REPLACE FUNCTION connection_paths.may_be_asked_again(collection_id bigint, contact_id bigint)
RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    RETURN NOT EXISTS (
        SELECT
        FROM connection_paths.introduction_limits AS l
        WHERE (l.collection_id = may_be_asked_again.collection_id OR l.collection_id IS NULL)
            AND EXISTS (
                SELECT
                FROM connection_paths.introduction_requests AS r
                WHERE r.introducer_contact_id = may_be_asked_again.contact_id
                    AND (l.collection_id IS NULL OR r.collection_id = l.collection_id)
                    AND r.requested_at > now() - make_interval(days => l.per_days)
                    AND r.outcome <> 'withdrawn'
                OFFSET l.max_requests - 1
            )
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.may_be_asked_again(bigint, bigint) IS 'Whether the limits in introduction_limits allow another request to a contact';

REVOKE ALL ON FUNCTION connection_paths.may_be_asked_again(bigint, bigint) FROM PUBLIC;

-- connection_paths.askable_members(request)
--
-- Gives the members of a collection who may be asked, and the users who brought them in.
--
-- Parameters
--     request  What is asked, already checked. Required.
-- Returns
--     One row per entry, so a member whom several users brought in comes several times. No rule leaves the target out.
--     contact_id  The member.
--     user_id     The user who brought the member in; NULL when this user may not open a path.
-- Errors
--     none
-- Reads
--     collection_members, do_not_ask
-- Writes
--     none
-- Used by
--     near_members, all_members, front_edges, count_around_target
-- Why
--     This is the only place that decides who may stand on a path before its target.
--     The planner inlines this function. Callers add a condition on contact_id, so the members are looked up by an
--     index. Where nobody is excluded, no rule is checked.
--     Every table in a plan takes microseconds, also where it is not read. So the limits of requests are behind the
--     function may_be_asked_again (docs/adr/0019-consent-in-one-view.md).
--     width_bucket finds a contact in the sorted array of excluded contacts by halving. The sub-select around the array
--     copies it once a statement; without it, PostgreSQL would copy the array for each member.
--     With OFFSET 0, PostgreSQL looks up one row of do_not_ask, and does not hash the whole table. COALESCE instead of
--     OR makes that one look-up instead of two.
CREATE OR REPLACE FUNCTION connection_paths.askable_members(request connection_paths.search_request)
RETURNS TABLE (contact_id bigint, user_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT
        m.contact_id,
        CASE WHEN connection_paths.user_opens(
            m.user_id, (askable_members.request).opener_user_ids, (askable_members.request).closed_user_ids
        ) THEN m.user_id END
    FROM connection_paths.collection_members AS m
    WHERE m.collection_id = (askable_members.request).collection_id
        AND (
            (askable_members.request).nobody_is_excluded
            OR m.contact_id = (askable_members.request).target_contact_id
            OR (
                (askable_members.request).excluded_contact_ids[
                    width_bucket(
                        m.contact_id, (SELECT (askable_members.request).excluded_contact_ids || '{}'::bigint[])
                    )
                ] = m.contact_id
            ) IS NOT TRUE
            AND NOT EXISTS (
                SELECT
                FROM connection_paths.do_not_ask AS d
                WHERE d.contact_id = m.contact_id AND COALESCE(d.collection_id, m.collection_id) = m.collection_id
                OFFSET 0
            )
            AND (
                NOT (askable_members.request).has_limits
                OR connection_paths.may_be_asked_again(m.collection_id, m.contact_id)
            )
        );
END;

COMMENT ON FUNCTION connection_paths.askable_members(connection_paths.search_request) IS 'Members of a collection who may be asked, and the users who brought them in';

REVOKE ALL ON FUNCTION connection_paths.askable_members(connection_paths.search_request) FROM PUBLIC;

-- connection_paths.edge_rank(strength, date_to)
--
-- Gives the place of an edge in the order of a search: the smaller result comes first.
--
-- Parameters
--     strength  The strength of the edge. NULL where the order is by recency.
--     date_to   The last day of the edge; NULL: it goes on.
-- Returns
--     The sort key: the greatest strength first, then the latest last day, and an edge that goes on before all, also
--     before one that ends at infinity. The upper 32 bits hold the strength, the lower 32 the day. The last bit is 1.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     near_members, all_members, front_edges, longer_rank
-- Why
--     Only this function and longer_rank know the order of edges and paths. One number sorts ten times as fast as an
--     array.
CREATE OR REPLACE FUNCTION connection_paths.edge_rank(strength smallint, date_to date)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        COALESCE(100 - edge_rank.strength, 0) * 4294967296
        + 2 * CASE -- days before the last possible date, plus 2; infinite dates cannot be subtracted
            WHEN edge_rank.date_to = '-infinity' THEN 2147483647
            WHEN edge_rank.date_to < 'infinity' THEN '5874897-12-31'::date - edge_rank.date_to + 2
            WHEN edge_rank.date_to IS NOT NULL THEN 1
            ELSE 0
        END::bigint
        + 1;
END;

COMMENT ON FUNCTION connection_paths.edge_rank(smallint, date) IS 'Sort key of an edge in a search';

REVOKE ALL ON FUNCTION connection_paths.edge_rank(smallint, date) FROM PUBLIC;

-- connection_paths.longer_rank(rank, edge_rank)
--
-- Gives the place of a chain that one more edge makes longer, among the chains of its depth.
--
-- Parameters
--     rank       The place of the shorter chain. NULL: this chain is the target alone.
--     edge_rank  The place of the edge: see the function edge_rank.
-- Returns
--     The sort key: the chain with the strongest weakest edge first, then the chain with the latest last day. A last
--     day after today counts as today. The last bit is 1. The rank of a path that the viewer can open is smaller by 1.
--     A path of the target alone has the rank 1, or 0.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search, longer_paths, next_contacts
-- Why
--     GREATEST and LEAST ignore NULL. So the first edge needs no rule of its own.
CREATE OR REPLACE FUNCTION connection_paths.longer_rank(rank bigint, edge_rank bigint)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        GREATEST(longer_rank.rank >> 32, longer_rank.edge_rank >> 32) << 32
        | GREATEST(
            LEAST(longer_rank.rank & 4294967295, longer_rank.edge_rank & 4294967295),
            connection_paths.edge_rank(NULL, current_date)
        );
END;

COMMENT ON FUNCTION connection_paths.longer_rank(bigint, bigint) IS 'Sort key of a chain that an edge makes longer';

REVOKE ALL ON FUNCTION connection_paths.longer_rank(bigint, bigint) FROM PUBLIC;

-- connection_paths.near_members(request, most_edges, needs_opener, by_strength, is_filtered)
--
-- Finds, in the collection of a search, the target and its neighbours at some of its best edges.
--
-- Parameters
--     request       What is asked, already checked. Required.
--     most_edges    How many edges of the target are read, the best first. By strength, only edges that idx_cc_strong_a
--                   and idx_cc_strong_b hold are read. Edges that the request holds are all used.
--     needs_opener  True: only members whom an opener brought in. False: all members.
--     by_strength   True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered   True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row. An entry is the target, or an edge to a member who may be asked, once for each user who brought in that
--     contact. The arrays are NULL when there is none.
--     contact_ids  The target, or the member.
--     ranks        The place of the edge: see edge_rank. Meaningless for the target.
--     user_ids     The user; NULL when this user may not open a path.
--     read_to      No edge before this place was left out: the place of the last edge that was read, or of the best
--                  edge that is not strong. NULL when all edges were read.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search, sql/queries/doctor/plan_near_members.sql, sql/queries/doctor/plan_near_members_by_strength.sql
-- Why
--     Most targets have few edges, and few of their neighbours are members. So most calls need only this statement;
--     search ranks in a statement of its own. All neighbours are looked up by one condition, so an index page with
--     several of them is read once (docs/adr/0013-members-by-look-up.md).
CREATE OR REPLACE FUNCTION connection_paths.near_members(
    request connection_paths.search_request,
    most_edges bigint,
    needs_opener boolean,
    by_strength boolean,
    is_filtered boolean
)
RETURNS TABLE (contact_ids bigint[], ranks bigint[], user_ids bigint[], read_to bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH edges AS MATERIALIZED (
        SELECT (near_members.request).target_contact_id AS contact_id, NULL::smallint AS strength, NULL::date AS date_to
        UNION ALL
        (
            SELECT e.neighbour_id, e.strength, e.date_to
            FROM connection_paths.contact_edges(
                (near_members.request).target_contact_id, near_members.request,
                CASE WHEN near_members.by_strength THEN true END, near_members.is_filtered
            ) AS e
            LIMIT near_members.most_edges
        )
        UNION ALL
        SELECT o.neighbour_id, CASE WHEN near_members.by_strength THEN o.strength END, o.date_to
        FROM unnest((near_members.request).given_edges) AS o
        WHERE (near_members.request).max_depth > 1
            AND connection_paths.edge_passes(near_members.request, o.kind, o.strength, o.date_to, o.organization_id)
    )
    SELECT
        array_agg(e.contact_id), array_agg(connection_paths.edge_rank(e.strength, e.date_to)), array_agg(m.user_id),
        COALESCE(
            ( -- the target is the first row
                SELECT connection_paths.edge_rank(e.strength, e.date_to)
                FROM edges AS e
                OFFSET near_members.most_edges
                LIMIT 1
            ),
            CASE WHEN near_members.by_strength THEN
                connection_paths.edge_rank((connection_paths.search_limit('strong') - 1)::smallint, NULL)
            END
        )
    FROM connection_paths.askable_members(near_members.request) AS m
    JOIN edges AS e ON e.contact_id = m.contact_id
    WHERE m.contact_id = ANY (ARRAY(SELECT e.contact_id FROM edges AS e))
        AND (NOT near_members.needs_opener OR m.user_id IS NOT NULL);
END;

COMMENT ON FUNCTION connection_paths.near_members(connection_paths.search_request, bigint, boolean, boolean, boolean) IS 'The target and its neighbours at some of its best edges, as far as they are members of the collection';

REVOKE ALL ON FUNCTION connection_paths.near_members(connection_paths.search_request, bigint, boolean, boolean, boolean) FROM PUBLIC;

-- connection_paths.neighbours(contact_id)
--
-- Gives the neighbours of a contact, in no order.
--
-- Parameters
--     contact_id  The contact.
-- Returns
--     The id at the other end of each edge. A pair with edges of several kinds comes several times.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     all_members, front_edges
-- Why
--     The planner inlines this function, which reads the two walk indexes alone, one after the other. Reading them in
--     order, as contact_edges does, takes 1.2 to 1.3 times as long (docs/adr/0013-members-by-look-up.md).
CREATE OR REPLACE FUNCTION connection_paths.neighbours(contact_id bigint)
RETURNS SETOF bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT c.contact_b_id
    FROM connection_paths.contact_connections AS c
    WHERE c.contact_a_id = neighbours.contact_id
    UNION ALL
    SELECT c.contact_a_id
    FROM connection_paths.contact_connections AS c
    WHERE c.contact_b_id = neighbours.contact_id;
END;

COMMENT ON FUNCTION connection_paths.neighbours(bigint) IS 'The neighbours of a contact, in no order';

REVOKE ALL ON FUNCTION connection_paths.neighbours(bigint) FROM PUBLIC;

-- connection_paths.all_members(request, needs_opener)
--
-- Finds the target and all its neighbours in the collection of a search, and then looks up their edges.
--
-- Parameters
--     request       What is asked, already checked. Required.
--     needs_opener  True: only members whom an opener brought in. False: all members.
-- Returns
--     One row. An entry is the target, or an edge that passes the filters to a member who may be asked, once for each
--     user who brought in that contact. The arrays are NULL when there is none.
--     contact_ids  The target, or the member.
--     ranks        The place of the edge: see edge_rank. Meaningless for the target.
--     user_ids     The user; NULL when this user may not open a path.
--     read_to      NULL: all edges were read.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search
-- Why
--     Where most edges of a hub are needed, this is faster than near_members: the edges are read in no order from the
--     walk indexes alone, and only those of members from the table. So it serves every order and every filter
--     (docs/adr/0013-members-by-look-up.md).
CREATE OR REPLACE FUNCTION connection_paths.all_members(
    request connection_paths.search_request,
    needs_opener boolean
)
RETURNS TABLE (contact_ids bigint[], ranks bigint[], user_ids bigint[], read_to bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        array_agg(m.contact_id),
        array_agg(
            connection_paths.edge_rank(
                CASE (all_members.request).order_by WHEN 'strength' THEN d.strength END, d.date_to
            )
        ),
        array_agg(m.user_id), NULL::bigint
    FROM connection_paths.askable_members(all_members.request) AS m
    LEFT JOIN LATERAL connection_paths.pair_edges(
        m.contact_id, (all_members.request).target_contact_id, all_members.request
    ) AS d ON true
    WHERE m.contact_id = ANY (
        ARRAY(
            SELECT (all_members.request).target_contact_id
            UNION ALL
            SELECT n.id FROM connection_paths.neighbours((all_members.request).target_contact_id) AS n (id)
        )
    )
        AND (NOT all_members.needs_opener OR m.user_id IS NOT NULL)
        AND (d.kind IS NOT NULL OR m.contact_id = (all_members.request).target_contact_id);
END;

COMMENT ON FUNCTION connection_paths.all_members(connection_paths.search_request, boolean) IS 'The target and all its neighbours that are members of the collection, with their edges';

REVOKE ALL ON FUNCTION connection_paths.all_members(connection_paths.search_request, boolean) FROM PUBLIC;

-- connection_paths.front_edges(request, chains, most, is_hashed, by_strength, is_filtered)
--
-- Gives the best edges of the first contacts of some chains that lead to members who may be asked.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     chains       The chains. A contact at the front of several chains is read once.
--     most         How many edges of each contact. NULL: all.
--     is_hashed    True: read the whole collection first, and look up only neighbours who are in it.
--     by_strength  True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row per contact, neighbour and edge; the best edge of each contact first.
--     contact_id    The first contact of a chain.
--     neighbour_id  The member.
--     rank          The place of the edge: see edge_rank.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     next_contacts
-- Why
--     The planner inlines this function. Edges are read, and neighbours looked up, only until a contact has enough
--     members. A small collection may be hashed, once a statement (docs/adr/0013-members-by-look-up.md). After the
--     deadline, no further contact is read.
CREATE OR REPLACE FUNCTION connection_paths.front_edges(
    request connection_paths.search_request,
    chains connection_paths.ranked_chain[],
    most bigint,
    is_hashed boolean,
    by_strength boolean,
    is_filtered boolean
)
RETURNS TABLE (contact_id bigint, neighbour_id bigint, rank bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT f.contact_id, e.neighbour_id, e.rank
    FROM (
        SELECT f.contact_id
        FROM (SELECT DISTINCT c.contact_ids[1] AS contact_id FROM unnest(front_edges.chains) AS c) AS f
        WHERE (front_edges.request).deadline IS NULL OR clock_timestamp() < (front_edges.request).deadline
        OFFSET 0
    ) AS f
    CROSS JOIN LATERAL (
        SELECT e.neighbour_id, connection_paths.edge_rank(e.strength, e.date_to) AS rank
        FROM (
            SELECT e.neighbour_id, e.strength, e.date_to
            FROM connection_paths.contact_edges(
                f.contact_id, front_edges.request, CASE WHEN front_edges.by_strength THEN true END,
                front_edges.is_filtered
            ) AS e
            WHERE NOT front_edges.by_strength OR NOT front_edges.is_hashed
            UNION ALL
            SELECT e.neighbour_id, e.strength, e.date_to
            FROM connection_paths.contact_edges(f.contact_id, front_edges.request, false, front_edges.is_filtered) AS e
            WHERE front_edges.by_strength AND NOT front_edges.is_hashed
            UNION ALL
            (
                SELECT n.id, d.strength, d.date_to
                FROM (
                    SELECT DISTINCT n.id
                    FROM connection_paths.neighbours(f.contact_id) AS n (id)
                    WHERE n.id IN (
                        SELECT m.contact_id
                        FROM connection_paths.collection_members AS m
                        WHERE m.collection_id = (front_edges.request).collection_id
                    )
                ) AS n
                CROSS JOIN LATERAL connection_paths.pair_edges(f.contact_id, n.id, front_edges.request) AS d
                WHERE front_edges.by_strength AND front_edges.is_hashed
                ORDER BY d.strength DESC, d.date_to DESC NULLS FIRST, n.id
            )
            OFFSET 0 -- a fence: neighbours are looked up in the order of the edges
        ) AS e
        WHERE (
            front_edges.by_strength
            OR NOT front_edges.is_hashed
            OR e.neighbour_id IN (
                SELECT m.contact_id
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = (front_edges.request).collection_id
            )
        )
            AND (
                SELECT true
                FROM connection_paths.askable_members(front_edges.request) AS m
                WHERE m.contact_id = e.neighbour_id
                LIMIT 1
            )
        LIMIT front_edges.most
    ) AS e;
END;

COMMENT ON FUNCTION connection_paths.front_edges(connection_paths.search_request, connection_paths.ranked_chain[], bigint, boolean, boolean, boolean) IS 'The best edges of the first contacts of chains that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.front_edges(connection_paths.search_request, connection_paths.ranked_chain[], bigint, boolean, boolean, boolean)
FROM PUBLIC;

-- connection_paths.next_contacts(request, chains, level, missing, is_hashed, last_minute, by_strength, is_filtered)
--
-- Makes chains longer by the best edges of their first contacts that lead to members who may be asked.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     chains       The chains to make longer.
--     level        Contacts on each longer chain.
--     missing      How many paths are missing. NULL: any number.
--     is_hashed    True: read the whole collection first, and look up only neighbours who are in it.
--     last_minute  No chain is made longer after this time. NULL: never.
--     by_strength  True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row.
--     paths        The paths found, the best first. Where the request counts a chain once, whoever opens it
--                  (by_chain), the user of a path is NULL.
--     open_chains  The longer chains. Empty where the request is filled, and at the last level.
--     is_cut       True when the cap leaves out some chain.
--     number       How many longer chains there are.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     longer_paths
-- Why
--     From front_edges, each contact gets a list of max_edges_per_hop + level - 1 members. Up to level - 2 of them may
--     be on the chain already. One more shows whether the cap leaves a member out. With several kinds of edges, a
--     member may be in a list once for each kind, so the list is longer. With one kind, no member is in a list twice,
--     so the search for an earlier place of a member is left out.
--     Each contact's list is made once, however many chains begin with the contact. The users who can open a path are
--     looked up for all longer chains together. front_edges has left out the contacts who may not be asked.
CREATE OR REPLACE FUNCTION connection_paths.next_contacts(
    request connection_paths.search_request,
    chains connection_paths.ranked_chain[],
    level integer,
    missing integer,
    is_hashed boolean,
    last_minute timestamptz,
    by_strength boolean,
    is_filtered boolean
)
RETURNS TABLE (
    paths connection_paths.ranked_chain[], open_chains connection_paths.ranked_chain[], is_cut boolean, number bigint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH lists AS MATERIALIZED (
        SELECT f.contact_id, array_agg(f.neighbour_id) AS neighbour_ids, array_agg(f.rank) AS ranks
        FROM connection_paths.front_edges(
            next_contacts.request, next_contacts.chains,
            ((next_contacts.request).max_edges_per_hop::bigint + next_contacts.level - 1)
            * cardinality(enum_range(NULL::connection_paths.connection_kind)),
            next_contacts.is_hashed, next_contacts.by_strength, next_contacts.is_filtered
        ) AS f
        GROUP BY f.contact_id
    ),
    longer AS MATERIALIZED (
        SELECT
            n.contact_id, c.contact_ids AS rest, connection_paths.longer_rank(c.rank, n.rank) AS rank,
            (n.place <= (next_contacts.request).max_edges_per_hop) IS NOT FALSE AS is_within
        FROM (
            SELECT c.contact_ids, c.rank, l.neighbour_ids, l.ranks
            FROM lists AS l
            JOIN unnest(next_contacts.chains) AS c ON c.contact_ids[1] = l.contact_id
            WHERE next_contacts.last_minute IS NULL OR clock_timestamp() < next_contacts.last_minute
            OFFSET 0
        ) AS c
        CROSS JOIN LATERAL (
            SELECT e.contact_id, e.rank, row_number() OVER () AS place
            FROM (
                SELECT
                    unnest(c.neighbour_ids) AS contact_id, unnest(c.ranks) AS rank,
                    generate_subscripts(c.neighbour_ids, 1) AS position
            ) AS e
            WHERE e.contact_id <> ALL (c.contact_ids)
                AND (
                    (SELECT cardinality(enum_range(NULL::connection_paths.connection_kind)) = 1) -- computed once a statement
                    OR array_position(c.neighbour_ids, e.contact_id) = e.position
                )
            LIMIT (next_contacts.request).max_edges_per_hop::bigint + 1
        ) AS n
    ),
    found AS MATERIALIZED ( -- both columns below read it; without MATERIALIZED, it would be computed twice
        SELECT ARRAY(
            SELECT ROW(p.contact_id || p.rest, p.user_id, p.rank)::connection_paths.ranked_chain
            FROM (
                SELECT l.contact_id, l.rest, o.user_id, l.rank - o.is_viewer::integer AS rank
                FROM longer AS l
                JOIN (
                    SELECT
                        m.contact_id, CASE WHEN NOT (next_contacts.request).by_chain THEN m.user_id END AS user_id,
                        bool_or(m.user_id = (next_contacts.request).viewer_user_id) AS is_viewer
                    FROM connection_paths.collection_members AS m
                    WHERE m.collection_id = (next_contacts.request).collection_id
                        AND m.contact_id = ANY (ARRAY(SELECT DISTINCT l.contact_id FROM longer AS l))
                        AND connection_paths.user_opens(
                            m.user_id, (next_contacts.request).opener_user_ids, (next_contacts.request).closed_user_ids
                        )
                    GROUP BY 1, 2
                ) AS o ON o.contact_id = l.contact_id
                WHERE l.is_within
                ORDER BY 4, 3, 1, 2
                LIMIT next_contacts.missing
            ) AS p
        ) AS paths
    )
    SELECT
        f.paths,
        ARRAY(
            SELECT ROW(l.contact_id || l.rest, NULL, l.rank)::connection_paths.ranked_chain
            FROM longer AS l
            WHERE l.is_within
                AND next_contacts.level < (next_contacts.request).max_depth
                AND (cardinality(f.paths) < next_contacts.missing) IS NOT FALSE
        ),
        c.is_cut, c.number
    FROM found AS f
    CROSS JOIN (SELECT COALESCE(bool_or(NOT l.is_within), false) AS is_cut, count(*) AS number FROM longer AS l) AS c;
END;

COMMENT ON FUNCTION connection_paths.next_contacts(connection_paths.search_request, connection_paths.ranked_chain[], integer, integer, boolean, timestamptz, boolean, boolean) IS 'Chains made longer by the best edges that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.next_contacts(connection_paths.search_request, connection_paths.ranked_chain[], integer, integer, boolean, timestamptz, boolean, boolean)
FROM PUBLIC;

-- connection_paths.first_per_introducer(request, paths)
--
-- Keeps, of some paths, at most max_per_introducer with the same contact before the target, and at most max_found.
--
-- Parameters
--     request  What is asked, already checked, with max_per_introducer. Required.
--     paths    The paths, the best path first.
-- Returns
--     One row.
--     paths       The paths that are kept. A path of the target alone has no contact before it, and stays.
--     is_limited  True when a path was left out because of the contact before the target.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search, longer_paths
CREATE OR REPLACE FUNCTION connection_paths.first_per_introducer(
    request connection_paths.search_request,
    paths connection_paths.ranked_chain[]
)
RETURNS TABLE (paths connection_paths.ranked_chain[], is_limited boolean)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        (COALESCE(
            array_agg(ROW(p.contact_ids, p.user_id, p.rank)::connection_paths.ranked_chain ORDER BY p.position)
                FILTER (WHERE p.place <= (first_per_introducer.request).max_per_introducer),
            '{}'
        ))[:(first_per_introducer.request).max_found],
        COALESCE(bool_or(p.place > (first_per_introducer.request).max_per_introducer), false)
    FROM (
        SELECT
            p.*,
            CASE WHEN cardinality(p.contact_ids) > 1 THEN
                row_number() OVER (PARTITION BY p.contact_ids[cardinality(p.contact_ids) - 1] ORDER BY p.position)
            ELSE 1 END AS place
        FROM unnest(first_per_introducer.paths) WITH ORDINALITY AS p (contact_ids, user_id, rank, position)
    ) AS p;
END;

COMMENT ON FUNCTION connection_paths.first_per_introducer(connection_paths.search_request, connection_paths.ranked_chain[]) IS 'The first paths of each contact before the target';

REVOKE ALL ON FUNCTION connection_paths.first_per_introducer(connection_paths.search_request, connection_paths.ranked_chain[]) FROM PUBLIC;

-- connection_paths.longer_paths(request, near_paths, member_ids, member_ranks)
--
-- Searches for paths of three contacts and more, depth by depth, and ends at the first depth that fills the request.
--
-- Parameters
--     request       What is asked, already checked. Required.
--     near_paths    The paths of one and of two contacts.
--     member_ids    The target, and the members who share an edge with it, as near_members returns them.
--     member_ranks  The place of each of these edges: see edge_rank.
-- Returns
--     What was found.
--     paths          The paths, the best path first, those of near_paths among them.
--     is_complete    False when the deadline passed: what was found is right, but more may exist.
--     level_reached  Contacts on the longest chain looked at.
--     is_cut         True when the cap kept the search from going on from some chain, or from looking at one.
--     is_limited     True when max_per_introducer left a path out.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     search
-- Why
--     Each order, with filters and without, has a statement of its own, and so a plan of its own: the planner removes
--     the parts that the constants by_strength and is_filtered of next_contacts rule out.
CREATE OR REPLACE FUNCTION connection_paths.longer_paths(
    request connection_paths.search_request,
    near_paths connection_paths.ranked_chain[],
    member_ids bigint[],
    member_ranks bigint[],
    OUT paths connection_paths.ranked_chain[],
    OUT is_complete boolean,
    OUT level_reached integer,
    OUT is_cut boolean,
    OUT is_limited boolean
)
RETURNS record
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    by_strength CONSTANT boolean := request.order_by = 'strength';
    -- after the deadline, chains are still made of edges that were read before it, until this time
    last_minute CONSTANT timestamptz := request.deadline + (request.deadline - clock_timestamp()) / 4;
    chains connection_paths.ranked_chain[]; -- from which the search goes on
    is_hashed boolean := false; -- the collection is small, and read as a whole
    missing integer; -- how many paths are missing; NULL with max_per_introducer, which may leave any number of them out
    longer record; -- the longer chains, and the paths among them
BEGIN
    paths := near_paths;
    level_reached := 2;
    is_limited := false;
    chains := ARRAY(
        SELECT
            ROW(ARRAY[m.contact_id, request.target_contact_id], NULL, connection_paths.longer_rank(NULL, min(m.rank)))
            ::connection_paths.ranked_chain
        FROM unnest(member_ids, member_ranks) AS m (contact_id, rank)
        WHERE m.contact_id <> request.target_contact_id
        GROUP BY m.contact_id
        ORDER BY min(m.rank), m.contact_id
        LIMIT request.max_edges_per_hop::bigint + 1
    );
    is_cut := (cardinality(chains) > request.max_edges_per_hop) IS TRUE; -- one more than the cap was read
    chains := chains[:COALESCE(request.max_edges_per_hop, cardinality(chains))];
    FOR level IN 3..request.max_depth LOOP
        is_hashed := is_hashed OR NOT EXISTS (
            SELECT FROM connection_paths.collection_members AS m
            WHERE m.collection_id = request.collection_id
            OFFSET LEAST(
                cardinality(chains)::bigint * connection_paths.search_limit('hashed_each'),
                connection_paths.search_limit('hashed_most')
            )
        );
        missing := CASE WHEN request.max_per_introducer IS NULL THEN request.max_found - cardinality(paths) END;
        IF NOT by_strength AND NOT request.is_filtered THEN
            SELECT n.* INTO longer
            FROM connection_paths.next_contacts(request, chains, level, missing, is_hashed, last_minute, false, false) AS n;
        ELSIF NOT by_strength THEN
            SELECT n.* INTO longer
            FROM connection_paths.next_contacts(request, chains, level, missing, is_hashed, last_minute, false, true) AS n;
        ELSIF NOT request.is_filtered THEN
            SELECT n.* INTO longer
            FROM connection_paths.next_contacts(request, chains, level, missing, is_hashed, last_minute, true, false) AS n;
        ELSE
            SELECT n.* INTO longer
            FROM connection_paths.next_contacts(request, chains, level, missing, is_hashed, last_minute, true, true) AS n;
        END IF;
        is_complete := (clock_timestamp() < request.deadline) IS NOT FALSE;
        is_cut := is_cut OR longer.is_cut;
        level_reached := level - (longer.number = 0)::integer;
        paths := paths || longer.paths;
        IF request.max_per_introducer IS NOT NULL THEN
            SELECT f.paths, longer_paths.is_limited OR f.is_limited INTO paths, is_limited
            FROM connection_paths.first_per_introducer(request, paths) AS f;
        END IF;
        chains := longer.open_chains;
        EXIT WHEN NOT is_complete OR cardinality(paths) = request.max_found OR chains = '{}';
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.longer_paths(connection_paths.search_request, connection_paths.ranked_chain[], bigint[], bigint[]) IS 'Search for paths of three contacts and more';

REVOKE ALL ON FUNCTION connection_paths.longer_paths(connection_paths.search_request, connection_paths.ranked_chain[], bigint[], bigint[])
FROM PUBLIC;

-- connection_paths.search(request)
--
-- Searches for paths to a contact, depth by depth, and ends at the first depth that fills the request.
--
-- Parameters
--     request  What is asked, already checked. Required.
-- Returns
--     What was found.
--     paths          The paths, the best path first. Where the request counts a chain once, whoever opens it
--                    (by_chain), the user of a path is NULL.
--     is_complete    False when the deadline passed: what was found is right, but more may exist.
--     level_reached  Contacts on the longest chain looked at.
--     is_cut         True when the cap kept the search from going on from some chain, or from looking at one.
--     is_limited     True when max_per_introducer left a path out.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     find_paths, deep_finder, legacy_finder
-- Why
--     Depth is the first sort key. Once a depth is complete and enough is found, deeper paths cannot matter.
--     Depth 2 is complete, because the cap does not apply there: the search finds every path through a member who
--     shares an edge with the target. Most answers need a small part of a hub's edges. So the search reads some edges
--     of the target, and reads again, further, until no unread edge can change the answer
--     (docs/adr/0014-depth-two-is-complete.md).
--     The search runs under the settings of the finder that called it. Setting them again costs 20 us.
--     Each order, with filters and without, has a statement of its own, and so a plan of its own: the planner removes
--     the parts that the constants by_strength and is_filtered rule out.
--     PL/pgSQL runs a condition with a sub-select as a statement of its own, even where another part of the condition
--     already decides. So an IF without a sub-select stands around each of these conditions.
CREATE OR REPLACE FUNCTION connection_paths.search(
    request connection_paths.search_request,
    OUT paths connection_paths.ranked_chain[],
    OUT is_complete boolean,
    OUT level_reached integer,
    OUT is_cut boolean,
    OUT is_limited boolean
)
RETURNS record
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    by_strength CONSTANT boolean := request.order_by = 'strength';
    -- longer_paths goes on from so many members; NULL: from all
    most_members CONSTANT integer := CASE request.max_depth WHEN 2 THEN 0 ELSE request.max_edges_per_hop END;
    most_edges bigint := CASE -- how many edges of the target are read; NULL: all
        WHEN request.max_depth > 1 AND request.given_edges IS NULL THEN connection_paths.search_limit('read_first')
        ELSE 0
    END;
    near record; -- the target and those of its neighbours who are members
    members record; -- the same, read last with needs_opener false: longer_paths goes on from these
    needs_opener boolean := false; -- true: longer_paths has enough members, so only openers matter
    read_to bigint; -- the best rank that a path by an unread edge can have, if the viewer does not open it
    last_rank bigint; -- the rank of the last path of a filled request; NULL while paths are missing
BEGIN
    paths := '{}';
    LOOP
        IF most_edges IS NULL THEN
            SELECT m.* INTO near FROM connection_paths.all_members(request, needs_opener) AS m;
        ELSIF NOT by_strength AND NOT request.is_filtered THEN
            SELECT m.* INTO near FROM connection_paths.near_members(request, most_edges, needs_opener, false, false) AS m;
        ELSIF NOT by_strength THEN
            SELECT m.* INTO near FROM connection_paths.near_members(request, most_edges, needs_opener, false, true) AS m;
        ELSIF NOT request.is_filtered THEN
            SELECT m.* INTO near FROM connection_paths.near_members(request, most_edges, needs_opener, true, false) AS m;
        ELSE
            SELECT m.* INTO near FROM connection_paths.near_members(request, most_edges, needs_opener, true, true) AS m;
        END IF;
        IF NOT needs_opener THEN
            members := near;
        END IF;
        IF array_remove(near.user_ids, NULL) <> '{}' THEN
            paths := ARRAY(
                SELECT ROW(
                    array_remove(ARRAY[n.contact_id], request.target_contact_id) || request.target_contact_id,
                    n.user_id, n.rank
                )::connection_paths.ranked_chain
                FROM (
                    SELECT
                        m.contact_id,
                        CASE WHEN NOT request.by_chain THEN m.user_id END AS user_id,
                        min(
                            CASE WHEN m.contact_id = request.target_contact_id THEN 1
                                ELSE connection_paths.longer_rank(NULL, m.rank)
                            END - (m.user_id = request.viewer_user_id)::integer
                        ) AS rank
                    FROM unnest(near.contact_ids, near.ranks, near.user_ids) AS m (contact_id, rank, user_id)
                    WHERE m.user_id IS NOT NULL
                    GROUP BY 1, 2
                    ORDER BY rank, user_id, contact_id
                    LIMIT CASE WHEN request.max_per_introducer IS NULL THEN request.max_found END
                ) AS n
            );
            IF request.max_per_introducer IS NOT NULL THEN
                SELECT f.* INTO paths, is_limited FROM connection_paths.first_per_introducer(request, paths) AS f;
            END IF;
        END IF;
        is_complete := (clock_timestamp() < request.deadline) IS NOT FALSE;
        EXIT WHEN near.read_to IS NULL OR most_edges = 0 OR NOT is_complete;
        read_to := connection_paths.longer_rank(NULL, near.read_to);
        last_rank := (paths[request.max_found]).rank;
        EXIT WHEN last_rank < read_to - 1;
        -- The last path may be as recent as the unread edges. If the viewer opens it, paths by these edges come later,
        -- because edges of one day are read by id. But all edges from today on count as one day, and are read by date.
        IF last_rank < read_to THEN
            EXIT WHEN NOT EXISTS (
                SELECT FROM connection_paths.contact_edges(request.target_contact_id, request, NULL, false) AS e
                WHERE e.date_to >= current_date
            );
        END IF;
        IF cardinality(near.contact_ids) > most_members THEN
            needs_opener := (SELECT count(DISTINCT m.id) - 1 > most_members FROM unnest(members.contact_ids) AS m (id));
        END IF;
        most_edges := CASE
            -- every strong edge was read
            WHEN 100 - (near.read_to >> 32) < connection_paths.search_limit('strong') THEN NULL
            WHEN last_rank IS NOT NULL THEN most_edges * 4
            WHEN cardinality(paths) < 2 THEN NULL
            -- 1.5 times the edges that are enough if the unread edges make as many paths as the read ones
            ELSE most_edges * GREATEST(2, 3 * request.max_found / (2 * cardinality(paths)))
        END;
    END LOOP;
    level_reached := 1 + COALESCE(request.target_contact_id <> ANY (members.contact_ids), false)::integer;
    is_cut := false;
    IF level_reached = 2 AND request.max_depth > 2 AND is_complete AND cardinality(paths) < request.max_found THEN
        SELECT l.paths, l.is_complete, l.level_reached, l.is_cut, l.is_limited OR search.is_limited IS TRUE
        INTO paths, is_complete, level_reached, is_cut, is_limited
        FROM connection_paths.longer_paths(request, paths, members.contact_ids, members.ranks) AS l;
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.search(connection_paths.search_request) IS 'Search for introduction paths depth by depth: the paths, and how far the search went';

REVOKE ALL ON FUNCTION connection_paths.search(connection_paths.search_request) FROM PUBLIC;

-- connection_paths.path_hops(request, paths)
--
-- Gives the edges of the paths that a search found.
--
-- Parameters
--     request  What is asked, already checked. Required.
--     paths    The paths.
-- Returns
--     One row per path and edge, in the order of the paths, and of the edges on a path. Where two contacts have edges
--     of several kinds that pass the filters, the best one is returned; of equally good ones, that of the kind that is
--     declared first.
--     place    The place of the path, from 1.
--     from_id  The contact at the beginning of the edge.
--     to_id    The contact at its end.
--     edge     The edge.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     path_rows, path_documents
-- Why
--     Only the paths that are returned need these columns. So a search by recency without filters reads indexes only,
--     and not the table. All edges of an answer are sorted together: a sort for each path takes 10 us.
CREATE OR REPLACE FUNCTION connection_paths.path_hops(
    request connection_paths.search_request,
    paths connection_paths.ranked_chain[]
)
RETURNS TABLE (
    place bigint,
    from_id bigint,
    to_id bigint,
    edge connection_paths.edge_details
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
BEGIN ATOMIC
    SELECT DISTINCT ON (h.place, h.hop)
        h.place, h.contact_ids[h.hop], h.contact_ids[h.hop + 1], ROW(d.*)::connection_paths.edge_details
    FROM (
        SELECT p.place, p.contact_ids, generate_series(1, cardinality(p.contact_ids) - 1) AS hop
        FROM unnest(path_hops.paths) WITH ORDINALITY AS p (contact_ids, user_id, rank, place)
    ) AS h
    CROSS JOIN LATERAL (
        SELECT d.*
        FROM connection_paths.pair_edges(h.contact_ids[h.hop], h.contact_ids[h.hop + 1], path_hops.request) AS d
        WHERE (path_hops.request).given_edges IS NULL
        UNION ALL
        SELECT o.*
        FROM unnest((path_hops.request).given_edges) AS o
        WHERE (path_hops.request).given_edges IS NOT NULL AND o.neighbour_id = h.contact_ids[h.hop]
    ) AS d
    ORDER BY
        h.place, h.hop, CASE WHEN (path_hops.request).order_by = 'strength' THEN d.strength END DESC,
        d.date_to DESC NULLS FIRST, d.kind;
END;

COMMENT ON FUNCTION connection_paths.path_hops(connection_paths.search_request, connection_paths.ranked_chain[]) IS 'The edges of the paths that a search found';

REVOKE ALL ON FUNCTION connection_paths.path_hops(connection_paths.search_request, connection_paths.ranked_chain[]) FROM PUBLIC;

-- connection_paths.path_rows(request, paths)
--
-- Gives the paths that a search found as rows of deep_finder.
--
-- Parameters
--     request  What is asked, already checked. Required.
--     paths    The paths, the best path first.
-- Returns
--     A row per path and user, the best first.
--     depth             Contacts on the path.
--     user_id           The user who opens it.
--     contact_ids       The contacts, from the first one, whom the user brought in, to the target.
--     organization_ids  The organization of each edge of the path.
--     date_froms        The first day of each edge.
--     date_tos          The last day of each edge; NULL: it goes on.
--     recency           The latest last day on the path, at most today; NULL at depth 1.
--     strength          The strength of the weakest edge of the path; NULL at depth 1.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     deep_finder, legacy_finder
CREATE OR REPLACE FUNCTION connection_paths.path_rows(
    request connection_paths.search_request,
    paths connection_paths.ranked_chain[]
)
RETURNS TABLE (
    depth integer,
    user_id bigint,
    contact_ids bigint[],
    organization_ids bigint[],
    date_froms date[],
    date_tos date[],
    recency date,
    strength smallint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
BEGIN ATOMIC
    SELECT
        cardinality(p.contact_ids), p.user_id, p.contact_ids, COALESCE(h.organization_ids, '{}'),
        COALESCE(h.date_froms, '{}'), COALESCE(h.date_tos, '{}'), h.recency, h.strength
    FROM unnest(path_rows.paths) WITH ORDINALITY AS p (contact_ids, user_id, rank, place)
    LEFT JOIN (
        SELECT
            h.place, array_agg((h.edge).organization_id) AS organization_ids, array_agg((h.edge).date_from) AS date_froms,
            array_agg((h.edge).date_to) AS date_tos, max(LEAST((h.edge).date_to, current_date)) AS recency,
            min((h.edge).strength) AS strength
        FROM connection_paths.path_hops(path_rows.request, path_rows.paths) AS h
        GROUP BY h.place
    ) AS h ON h.place = p.place
    ORDER BY p.place;
END;

COMMENT ON FUNCTION connection_paths.path_rows(connection_paths.search_request, connection_paths.ranked_chain[]) IS 'The paths that a search found, as rows of deep_finder';

REVOKE ALL ON FUNCTION connection_paths.path_rows(connection_paths.search_request, connection_paths.ranked_chain[]) FROM PUBLIC;

-- connection_paths.displayed_paths(documents, with_names, ids_as_text)
--
-- Adds names to the paths of a document, and writes their ids as text.
--
-- Parameters
--     documents    The JSON array of path_documents. NULL gives NULL.
--     with_names   True: add the names of contacts, organizations and, where mapped, users.
--     ids_as_text  True: every id is a string.
-- Returns
--     The same array. With names, a path has the keys user_names and contact_names, in the order of user_ids and
--     contact_ids, and a hop has from_name, to_name and organization_name. A name is null where the caller may not see
--     its row, and where there is none.
-- Errors
--     42501  With names: the role may not read one of these tables.
-- Reads
--     known_organizations, live_contacts, live_users
-- Writes
--     none
-- Used by
--     path_documents
-- Why
--     A call without names and with numbers as ids does not run this function. So such a call needs no right to read
--     the table of users, and its plan contains no table of names.
--     A JSON object of names is searched by halving. A join would need one of its sides sorted or hashed for each path.
CREATE OR REPLACE FUNCTION connection_paths.displayed_paths(documents jsonb, with_names boolean, ids_as_text boolean)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    user_names jsonb;
    contact_names jsonb;
    organization_names jsonb;
BEGIN
    IF with_names THEN
        SELECT jsonb_object_agg(u.id, u.name)
        INTO user_names
        FROM connection_paths.live_users AS u
        WHERE u.id = ANY (ARRAY(SELECT jsonb_path_query(documents, '$[*].user_ids[*]')::bigint));
        SELECT jsonb_object_agg(c.id, c.name)
        INTO contact_names
        FROM connection_paths.live_contacts AS c
        WHERE c.id = ANY (ARRAY(SELECT jsonb_path_query(documents, '$[*].contact_ids[*]')::bigint));
        SELECT jsonb_object_agg(o.id, o.name)
        INTO organization_names
        FROM connection_paths.known_organizations AS o
        WHERE o.id = ANY (
            ARRAY(SELECT jsonb_path_query(documents, '$[*].hops[*].organization_id ? (@ != null)')::bigint)
        );
    END IF;
    RETURN (
        SELECT jsonb_agg(
            p.path
            || CASE WHEN with_names THEN jsonb_build_object(
                'user_names', (
                    SELECT jsonb_agg(user_names -> i.id ORDER BY i.place)
                    FROM jsonb_array_elements_text(p.path -> 'user_ids') WITH ORDINALITY AS i (id, place)
                ),
                'contact_names', (
                    SELECT jsonb_agg(contact_names -> i.id ORDER BY i.place)
                    FROM jsonb_array_elements_text(p.path -> 'contact_ids') WITH ORDINALITY AS i (id, place)
                )
            ) ELSE '{}' END
            || CASE WHEN ids_as_text THEN jsonb_build_object(
                'user_ids', ARRAY(SELECT jsonb_array_elements_text(p.path -> 'user_ids')),
                'contact_ids', ARRAY(SELECT jsonb_array_elements_text(p.path -> 'contact_ids'))
            ) ELSE '{}' END
            || jsonb_build_object(
                'hops', (
                    SELECT COALESCE(
                        jsonb_agg(
                            h.hop
                            || CASE WHEN with_names THEN jsonb_build_object(
                                'from_name', contact_names -> (h.hop ->> 'from'),
                                'to_name', contact_names -> (h.hop ->> 'to'),
                                'organization_name', organization_names -> (h.hop ->> 'organization_id')
                            ) ELSE '{}' END
                            || CASE WHEN ids_as_text THEN jsonb_build_object(
                                'from', h.hop ->> 'from',
                                'to', h.hop ->> 'to',
                                'organization_id', h.hop ->> 'organization_id'
                            ) ELSE '{}' END
                            ORDER BY h.place
                        ),
                        '[]'
                    )
                    FROM jsonb_array_elements(p.path -> 'hops') WITH ORDINALITY AS h (hop, place)
                )
            )
            ORDER BY p.place
        )
        FROM jsonb_array_elements(documents) WITH ORDINALITY AS p (path, place)
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.displayed_paths(jsonb, boolean, boolean) IS 'The paths of a document with names, and with ids as text; part of find_paths';

REVOKE ALL ON FUNCTION connection_paths.displayed_paths(jsonb, boolean, boolean) FROM PUBLIC;

-- connection_paths.path_documents(request, paths, with_names, ids_as_text)
--
-- Gives the paths that a search found as the JSON array of find_paths.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     paths        The paths, the best path first.
--     with_names   True: with the names of contacts, organizations and, where mapped, users.
--     ids_as_text  True: every id is a string.
-- Returns
--     One row.
--     documents  A JSON array with one object per chain, the best first; NULL when no chain was found.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     find_paths
CREATE OR REPLACE FUNCTION connection_paths.path_documents(
    request connection_paths.search_request,
    paths connection_paths.ranked_chain[],
    with_names boolean,
    ids_as_text boolean
)
RETURNS TABLE (documents jsonb)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT CASE
        WHEN path_documents.with_names OR path_documents.ids_as_text
            THEN connection_paths.displayed_paths(a.documents, path_documents.with_names, path_documents.ids_as_text)
        ELSE a.documents
    END
    FROM (
        SELECT jsonb_agg(
            jsonb_build_object(
                'depth', cardinality(p.contact_ids),
                'user_ids', u.user_ids,
                'contact_ids', p.contact_ids,
                'recency', h.recency,
                'strength', h.strength,
                'tier', connection_paths.strength_tier(h.strength),
                'hops', COALESCE(h.hops, '[]')
            )
            ORDER BY p.place
        ) AS documents
        FROM unnest(path_documents.paths) WITH ORDINALITY AS p (contact_ids, user_id, rank, place)
        CROSS JOIN LATERAL (
            SELECT array_agg(o.user_id ORDER BY o.user_id <> (path_documents.request).viewer_user_id, o.user_id) AS user_ids
            FROM (
                SELECT DISTINCT m.user_id
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = (path_documents.request).collection_id
                    AND m.contact_id = p.contact_ids[1]
                    AND connection_paths.user_opens(
                        m.user_id, (path_documents.request).opener_user_ids, (path_documents.request).closed_user_ids
                    )
            ) AS o
        ) AS u
        LEFT JOIN (
            SELECT
                h.place, max(LEAST((h.edge).date_to, current_date)) AS recency, min((h.edge).strength) AS strength,
                jsonb_agg(
                    jsonb_build_object(
                        'from', h.from_id,
                        'to', h.to_id,
                        'kind', (h.edge).kind,
                        'organization_id', (h.edge).organization_id,
                        'date_from', (h.edge).date_from,
                        'date_to', (h.edge).date_to,
                        'strength', (h.edge).strength,
                        'tier', connection_paths.strength_tier((h.edge).strength),
                        'overlap_days', connection_paths.overlap_days(
                            (h.edge).date_from, (h.edge).date_to, (h.edge).earlier_days
                        ),
                        'people', (h.edge).people,
                        'shared_organizations', (h.edge).shared_organizations
                    )
                ) AS hops
            FROM connection_paths.path_hops(path_documents.request, path_documents.paths) AS h
            GROUP BY h.place
        ) AS h ON h.place = p.place
    ) AS a;
END;

COMMENT ON FUNCTION connection_paths.path_documents(connection_paths.search_request, connection_paths.ranked_chain[], boolean, boolean) IS 'The paths that a search found, as find_paths returns them';

REVOKE ALL ON FUNCTION connection_paths.path_documents(connection_paths.search_request, connection_paths.ranked_chain[], boolean, boolean)
FROM PUBLIC;

-- connection_paths.deep_finder(target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope,
--     max_edges_per_hop, order_by, kinds, min_strength, ended_after, via_organization_ids, not_via_organization_ids,
--     opener_user_ids, max_per_introducer)
--
-- Finds paths to a contact from the edge table, a row per path and user.
--
-- Parameters
--     target_contact_id         The contact to be introduced to. Required; an unknown id gives an empty answer.
--     collection_id             The collection whose members may be asked. Required; an unknown id gives an empty
--                               answer.
--     viewer_user_id            The user who asks. Required.
--     max_depth                 The most contacts on a path, 1 to 6.
--     max_paths                 The most paths to return, 1 to 1,000.
--     seed_scope                Who may open a path: 'any' (every user of the collection) or 'importer' (only the
--                               viewer).
--     max_edges_per_hop         Through how many best edges of a contact the search goes on, 1 or more. NULL: all.
--     order_by                  Which edges and paths come first: 'recency' (those that end last) or 'strength' (the
--                               strongest).
--     kinds                     Only edges of these kinds. NULL: every kind.
--     min_strength              Only edges of at least this strength, 0 to 100. NULL: every edge.
--     ended_after               Only edges that go on, or end on this day or later. NULL: every edge.
--     via_organization_ids      Only edges of these organizations, 1 to 1,000 of them. NULL: every edge.
--     not_via_organization_ids  No edge of these organizations, at most 1,000 of them. NULL: every edge.
--     opener_user_ids           Only these users open paths, 1 to 1,000 of them. NULL: every user.
--     max_per_introducer        How many paths may have the same contact before the target, 1 or more. NULL: any
--                               number.
-- Returns
--     A row per path and user, the best first.
--     depth             Contacts on the path.
--     user_id           The user who opens it.
--     contact_ids       The contacts, from the first one, whom the user brought in, to the target.
--     organization_ids  The organization of each edge of the path.
--     date_froms        The first day of each edge.
--     date_tos          The last day of each edge; NULL: it goes on.
--     recency           The latest last day on the path, at most today; NULL at depth 1.
--     strength          The strength of the weakest edge of the path; NULL at depth 1.
-- Errors
--     22004  An argument is NULL that must not be.
--     22023  An argument is outside its range.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     applications, orchestrator/sweep/measure/targets.py
-- Why
--     One plan serves every call (force_generic_plan): planning these statements costs more than running them. Plans
--     must read by index, in its order, whatever the tables held when a session planned; hence no sequential scans
--     and no sorts of edges. Nested loops are off because arrays are joined by hashing; index look-ups do not need
--     them. Without parallel workers, the parts of a UNION ALL are read in the order in which they are written, which
--     the search by strength needs.
CREATE OR REPLACE FUNCTION connection_paths.deep_finder(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer DEFAULT 2,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any',
    max_edges_per_hop integer DEFAULT connection_paths.search_limit('max_edges_per_hop'),
    order_by text DEFAULT 'recency',
    kinds text[] DEFAULT NULL,
    min_strength integer DEFAULT NULL,
    ended_after date DEFAULT NULL,
    via_organization_ids bigint[] DEFAULT NULL,
    not_via_organization_ids bigint[] DEFAULT NULL,
    opener_user_ids bigint[] DEFAULT NULL,
    max_per_introducer integer DEFAULT NULL
)
RETURNS TABLE (
    depth integer,
    user_id bigint,
    contact_ids bigint[],
    organization_ids bigint[],
    date_froms date[],
    date_tos date[],
    recency date,
    strength smallint
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET max_parallel_workers_per_gather = 0
SET enable_seqscan = off
SET enable_sort = off
SET enable_incremental_sort = off
SET enable_nestloop = off
SET enable_mergejoin = off
AS $function$
#variable_conflict use_column
DECLARE
    request connection_paths.search_request;
    found record;
BEGIN
    request := connection_paths.checked_request(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop, order_by,
        kinds, min_strength, ended_after, via_organization_ids, not_via_organization_ids, opener_user_ids,
        max_per_introducer
    );
    found := connection_paths.search(request);
    IF found.paths = '{}' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT p.depth, p.user_id, p.contact_ids, p.organization_ids, p.date_froms, p.date_tos, p.recency, p.strength
    FROM connection_paths.path_rows(request, found.paths) AS p;
END
$function$;

COMMENT ON FUNCTION connection_paths.deep_finder(bigint, bigint, bigint, integer, integer, text, integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer) IS 'Introduction paths to a contact, a row per path and user, best first';

REVOKE ALL ON FUNCTION connection_paths.deep_finder(bigint, bigint, bigint, integer, integer, text, integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer)
FROM PUBLIC;

-- connection_paths.legacy_finder(target_contact_id, collection_id, viewer_user_id, max_paths, seed_scope)
--
-- Finds paths of at most two contacts straight from work experiences, without the edge table.
--
-- Parameters
--     target_contact_id  The contact to be introduced to. Required; an unknown id gives an empty answer.
--     collection_id      The collection whose members may be asked. Required; an unknown id gives an empty answer.
--     viewer_user_id     The user who asks. Required.
--     max_paths          The most paths to return, 1 to 1,000.
--     seed_scope         Who may open a path: 'any' (every user of the collection) or 'importer' (only the viewer).
-- Returns
--     A row per path and user, the best first.
--     depth             Contacts on the path.
--     user_id           The user who opens it.
--     contact_ids       The contacts, from the first one, whom the user brought in, to the target.
--     organization_ids  The organization of each edge of the path.
--     date_froms        The first day of each edge.
--     date_tos          The last day of each edge; NULL: it goes on.
--     recency           The latest last day on the path, at most today; NULL at depth 1.
--     strength          The strength of the weakest edge of the path; NULL at depth 1.
-- Errors
--     22004  An argument is NULL that must not be.
--     22023  An argument is outside its range.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     applications
-- Why
--     It is the same search with another source of edges. It serves while edges are not built, and to compare: with
--     all edges built and one kind, deep_finder to depth 2 returns the same rows. For the settings see deep_finder.
CREATE OR REPLACE FUNCTION connection_paths.legacy_finder(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any'
)
RETURNS TABLE (
    depth integer,
    user_id bigint,
    contact_ids bigint[],
    organization_ids bigint[],
    date_froms date[],
    date_tos date[],
    recency date,
    strength smallint
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET max_parallel_workers_per_gather = 0
SET enable_seqscan = off
SET enable_sort = off
SET enable_incremental_sort = off
SET enable_nestloop = off
SET enable_mergejoin = off
AS $function$
#variable_conflict use_column
DECLARE
    request connection_paths.search_request;
    found record;
BEGIN
    request := connection_paths.checked_request(
        target_contact_id, collection_id, viewer_user_id, 2, max_paths, seed_scope, NULL, 'recency',
        NULL, NULL, NULL, NULL, NULL, NULL, NULL
    );
    request.given_edges := connection_paths.edges_from_experiences(target_contact_id);
    found := connection_paths.search(request);
    IF found.paths = '{}' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT p.depth, p.user_id, p.contact_ids, p.organization_ids, p.date_froms, p.date_tos, p.recency, p.strength
    FROM connection_paths.path_rows(request, found.paths) AS p;
END
$function$;

COMMENT ON FUNCTION connection_paths.legacy_finder(bigint, bigint, bigint, integer, text) IS 'Finds introduction paths of at most two contacts, without the edge table; a row per path and user, best first';

REVOKE ALL ON FUNCTION connection_paths.legacy_finder(bigint, bigint, bigint, integer, text) FROM PUBLIC;

-- connection_paths.count_around_target(request)
--
-- Counts, up to a limit, the edges of a target, members, and contacts who may not be asked.
--
-- Parameters
--     request  What is asked, already checked. Required.
-- Returns
--     The counts, each at most the limit counted_to.
--     collection_members        Members of the collection.
--     target_edges              Edges of the target, one per pair and kind.
--     target_edges_passing      How many of them pass the filters of the request.
--     target_edges_to_members   How many of these lead to members.
--     target_edges_to_excluded  How many of these lead to members who may not be asked.
--     excluded                  Contacts in do_not_ask and those that the call excludes, members or not. Contacts who
--                               were asked as often as introduction_limits allows are not counted.
--     counts_are_exact          False: there may be more edges to members than these counts say.
--     nobody_to_ask             True: no edge leads to a member who may be asked. False: an edge does, or that is not
--                               known.
-- Errors
--     none
-- Reads
--     collection_members, do_not_ask
-- Writes
--     none
-- Used by
--     why_no_more
-- Why
--     It reads at most 500 members and 500 edges. It looks up either the neighbours among the members or the members
--     among the neighbours, whichever are fewer. That takes 0.1 ms, and 0.8 ms around hubs.
CREATE OR REPLACE FUNCTION connection_paths.count_around_target(
    request connection_paths.search_request,
    OUT collection_members integer,
    OUT target_edges integer,
    OUT target_edges_passing integer,
    OUT target_edges_to_members integer,
    OUT target_edges_to_excluded integer,
    OUT excluded integer,
    OUT counts_are_exact boolean,
    OUT nobody_to_ask boolean
)
RETURNS record
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    counted_to CONSTANT integer := connection_paths.search_limit('counted_to');
    member_ids CONSTANT bigint[] := ARRAY(
        SELECT DISTINCT m.contact_id
        FROM connection_paths.collection_members AS m
        WHERE m.collection_id = request.collection_id AND m.contact_id IS NOT NULL
        ORDER BY m.contact_id
        LIMIT counted_to
    );
    neighbour_ids bigint[];
    excluded_ids bigint[] := '{}'; -- in do_not_ask or excluded by the call, members or not
    met_ids bigint[]; -- members who have an edge with the target
BEGIN
    IF NOT request.nobody_is_excluded THEN
        excluded_ids := ARRAY(
            (
                SELECT d.contact_id FROM connection_paths.do_not_ask AS d
                WHERE d.collection_id = request.collection_id LIMIT counted_to
            )
            UNION
            (
                SELECT d.contact_id FROM connection_paths.do_not_ask AS d
                WHERE d.collection_id IS NULL LIMIT counted_to
            )
            UNION
            SELECT x.contact_id
            FROM unnest(request.excluded_contact_ids[:counted_to]) AS x (contact_id)
        );
    END IF;
    collection_members := cardinality(member_ids);
    IF request.given_edges IS NOT NULL THEN
        target_edges := LEAST(cardinality(request.given_edges), counted_to);
        neighbour_ids := ARRAY(
            SELECT o.neighbour_id
            FROM unnest(request.given_edges) AS o
            WHERE connection_paths.edge_passes(request, o.kind, o.strength, o.date_to, o.organization_id)
        );
    ELSE
        neighbour_ids := ARRAY(
            SELECT e.neighbour_id
            FROM connection_paths.contact_edges(request.target_contact_id, request, NULL, false) AS e
            LIMIT counted_to
        );
        target_edges := cardinality(neighbour_ids);
        IF request.is_filtered THEN
            neighbour_ids := ARRAY(
                SELECT e.neighbour_id
                FROM connection_paths.contact_edges(request.target_contact_id, request, NULL, true) AS e
                LIMIT counted_to
            );
        END IF;
    END IF;
    target_edges_passing := LEAST(cardinality(neighbour_ids), counted_to);
    counts_are_exact := request.given_edges IS NOT NULL OR collection_members < counted_to
        OR target_edges_passing < counted_to;

    IF request.given_edges IS NULL AND target_edges_passing = counted_to AND counts_are_exact THEN
        met_ids := ARRAY(
            SELECT m.contact_id
            FROM unnest(member_ids) AS m (contact_id)
            CROSS JOIN LATERAL connection_paths.pair_edges(m.contact_id, request.target_contact_id, request) AS c
        );
    ELSE
        met_ids := ARRAY(
            SELECT n.contact_id
            FROM unnest(neighbour_ids) AS n (contact_id)
            WHERE EXISTS (
                SELECT FROM connection_paths.collection_members AS m
                WHERE m.collection_id = request.collection_id AND m.contact_id = n.contact_id
                OFFSET 0
            )
        );
    END IF;
    IF NOT counts_are_exact AND met_ids = '{}' THEN -- an edge that was not looked at may lead to one of these
        met_ids := ARRAY(
            SELECT x.contact_id
            FROM unnest(excluded_ids) AS x (contact_id)
            CROSS JOIN LATERAL connection_paths.pair_edges(x.contact_id, request.target_contact_id, request) AS d
            WHERE EXISTS (
                SELECT FROM connection_paths.collection_members AS m
                WHERE m.collection_id = request.collection_id AND m.contact_id = x.contact_id
                OFFSET 0
            )
            LIMIT 1
        );
    END IF;
    SELECT
        LEAST(count(*), counted_to), LEAST(count(*) FILTER (WHERE NOT a.may_be_asked), counted_to),
        counts_are_exact AND COALESCE(NOT bool_or(a.may_be_asked), true)
    INTO target_edges_to_members, target_edges_to_excluded, nobody_to_ask
    FROM unnest(met_ids) AS n (contact_id)
    CROSS JOIN LATERAL (
        SELECT request.nobody_is_excluded OR EXISTS (
            SELECT FROM connection_paths.askable_members(request) AS m
            WHERE m.contact_id = n.contact_id
            OFFSET 0
        ) AS may_be_asked
        OFFSET 0
    ) AS a;
    excluded := LEAST(cardinality(excluded_ids), counted_to);
END
$function$;

COMMENT ON FUNCTION connection_paths.count_around_target(connection_paths.search_request) IS 'Bounded counts of the edges of a target, of members and of contacts who may not be asked, for why_no_more';

REVOKE ALL ON FUNCTION connection_paths.count_around_target(connection_paths.search_request) FROM PUBLIC;

-- connection_paths.count_target_experiences(contact_id)
--
-- Counts, up to a limit, work experiences of a target that name a company or an organization and make no edges.
--
-- Parameters
--     contact_id  The target. NULL or unknown: both counts are 0.
-- Returns
--     The counts, each at most the limit counted_to; both NULL while the table of work experiences is detached.
--     unresolved  Work experiences with a company name, no organization, and no decision about the name. NULL: company
--                 names are not resolved, so these work experiences cannot be found quickly.
--     excluded    Work experiences at organizations that organization_policy excludes.
-- Errors
--     none
-- Reads
--     named_experiences, name_decisions, employments, organization_policy, detached_sources
-- Writes
--     none
-- Used by
--     why_no_more
-- Why
--     The finders forbid nested loops in their own statements. Here each row is found by an index, so this function has
--     settings of its own. It takes 0.1 ms, only where no path was found.
CREATE OR REPLACE FUNCTION connection_paths.count_target_experiences(
    contact_id bigint,
    OUT unresolved integer,
    OUT excluded integer
)
RETURNS record
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_nestloop = on
AS $function$
DECLARE
    counted_to CONSTANT integer := connection_paths.search_limit('counted_to');
BEGIN
    IF EXISTS (
        SELECT FROM connection_paths.detached_sources AS d WHERE d.table_name = 'contact_work_experiences'
    ) THEN
        RETURN;
    END IF;
    IF to_regclass('connection_paths.named_experiences') IS NOT NULL THEN
        SELECT count(*)
        INTO unresolved
        FROM (
            SELECT
            FROM connection_paths.named_experiences AS n
            WHERE n.contact_id = count_target_experiences.contact_id
                AND NOT EXISTS (
                    SELECT FROM connection_paths.name_decisions AS d WHERE d.company_name = n.company_name
                )
            LIMIT counted_to
        ) AS s;
    END IF;
    SELECT count(*)
    INTO excluded
    FROM (
        SELECT
        FROM connection_paths.employments AS e
        WHERE e.contact_id = count_target_experiences.contact_id
            AND EXISTS (
                SELECT
                FROM connection_paths.organization_policy AS p
                WHERE p.organization_id = e.organization_id AND p.rule = 'none'
            )
        LIMIT counted_to
    ) AS s;
END
$function$;

COMMENT ON FUNCTION connection_paths.count_target_experiences(bigint) IS 'Bounded counts of work experiences of a target that make no edges, for why_no_more';

REVOKE ALL ON FUNCTION connection_paths.count_target_experiences(bigint) FROM PUBLIC;

-- connection_paths.why_no_more(request, impl, number, is_complete, level_reached, is_cut, is_limited)
--
-- Says why find_paths found fewer paths than it was asked for: a reason and numbers.
--
-- Parameters
--     request        What is asked, already checked. Required.
--     impl           'v1' or 'v2'.
--     number         How many paths were found.
--     is_complete    False when the deadline passed during the search.
--     level_reached  Contacts on the longest chain that the search looked at.
--     is_cut         True when the cap kept the search from going on from some chain, or from looking at one.
--     is_limited     True when max_per_introducer left a path out.
-- Returns
--     {"reason", "level_reached", "caps_hit", "max_edges_per_hop", "collection_members", "target_edges",
--     "target_edges_passing", "target_edges_to_members", "target_edges_to_excluded", "target_experiences_unresolved",
--     "target_experiences_excluded", "excluded", "counted_to", "counts_are_exact"}.
--     The reason is the first of these that is known to hold:
--     time_budget            The time ran out before the search ended.
--     unknown_target         There is no such contact.
--     empty_collection       The collection has no members.
--     viewer_is_no_opener    The scope is importer, and opener_user_ids does not name the viewer.
--     viewer_opens_nothing   The scope is importer, and the viewer is in do_not_ask_users.
--     viewer_brought_nobody  The scope is importer, and the viewer brought nobody in. At most 10,000 entries of the
--                            collection are searched.
--     openers_brought_nobody  None of opener_user_ids brought anybody in. At most 10,000 entries are searched.
--     names_unresolved       The target has no edge. It has a work experience with a company name, no organization, and
--                            no decision about the name.
--     organizations_excluded  The target has no edge. It has a work experience at an organization that
--                             organization_policy excludes.
--     target_has_no_edges    The target has no edge.
--     no_edge_passes         The target has edges, and none passes the filters of the request.
--     no_edge_to_a_member    Edges of the target pass the filters, and none leads to a member.
--     all_excluded           Such edges lead to members, and none of these members may be asked.
--     nobody_to_ask          One of the two reasons before holds; which one is not known.
--     introducer_limit       The parameter max_per_introducer left a path out.
--     edge_limit             The cap kept the search from going on from some chain, or from looking at one.
--     depth_limit            Every path within max_depth was found, and some chain is as long as max_depth.
--     exhausted              Every path of any length was found.
--     The counts are null where five paths or more were found, or the time ran out. target_edges_passing is null, too,
--     where the request has no filter on edges. The two counts of work experiences are null where some path was found,
--     and where count_target_experiences cannot count them.
-- Errors
--     none
-- Reads
--     collection_members, live_contacts
-- Writes
--     none
-- Used by
--     find_paths
CREATE OR REPLACE FUNCTION connection_paths.why_no_more(
    request connection_paths.search_request,
    impl text,
    number integer,
    is_complete boolean,
    level_reached integer,
    is_cut boolean,
    is_limited boolean
)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    counted_to CONSTANT integer := connection_paths.search_limit('counted_to');
    looked_through CONSTANT integer := connection_paths.search_limit('looked_through');
    counts record;
    experiences record;
    is_known boolean := true;
    somebody_brought boolean := true; -- one of the users who may open
    viewer_is_closed boolean := false; -- is in do_not_ask_users
    nobody_to_ask boolean;
    reason text;
BEGIN
    SELECT c.*
    INTO counts
    FROM connection_paths.count_around_target(request) AS c
    WHERE is_complete AND number < connection_paths.search_limit('few_paths');

    SELECT e.*
    INTO experiences
    FROM connection_paths.count_target_experiences(request.target_contact_id) AS e
    WHERE is_complete AND number = 0;

    IF number = 0 AND counts.target_edges = 0 THEN
        is_known := EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = request.target_contact_id);
    END IF;
    IF is_complete AND number = 0 AND request.opener_user_ids IS NOT NULL THEN
        SELECT
            COALESCE(bool_or(connection_paths.user_opens(m.user_id, request.opener_user_ids, NULL)), false)
            OR count(*) > looked_through
        INTO somebody_brought
        FROM (
            SELECT m.user_id
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = request.collection_id
            LIMIT looked_through + 1
        ) AS m;
        viewer_is_closed := request.seed_scope = 'importer'
            AND (request.viewer_user_id = ANY (request.closed_user_ids)) IS TRUE;
    END IF;
    -- a search that did not get beyond the target has looked at every edge, counted or not
    nobody_to_ask := counts.nobody_to_ask OR level_reached = 1 AND request.max_depth > 1;
    reason := CASE
        WHEN NOT is_complete THEN 'time_budget'
        WHEN NOT is_known THEN 'unknown_target'
        WHEN counts.collection_members = 0 THEN 'empty_collection'
        WHEN request.opener_user_ids = '{}' THEN 'viewer_is_no_opener'
        WHEN viewer_is_closed THEN 'viewer_opens_nothing'
        WHEN NOT somebody_brought AND request.seed_scope = 'importer' THEN 'viewer_brought_nobody'
        WHEN NOT somebody_brought THEN 'openers_brought_nobody'
        WHEN counts.target_edges = 0 AND experiences.unresolved > 0 THEN 'names_unresolved'
        WHEN counts.target_edges = 0 AND experiences.excluded > 0 THEN 'organizations_excluded'
        WHEN counts.target_edges = 0 THEN 'target_has_no_edges'
        WHEN counts.target_edges_passing = 0 THEN 'no_edge_passes'
        WHEN nobody_to_ask AND counts.target_edges_to_members > 0 THEN 'all_excluded'
        WHEN nobody_to_ask AND (
            counts.counts_are_exact OR counts.excluded < counted_to AND NOT request.has_limits
        ) THEN 'no_edge_to_a_member'
        WHEN nobody_to_ask THEN 'nobody_to_ask'
        WHEN is_limited THEN 'introducer_limit'
        WHEN is_cut THEN 'edge_limit'
        WHEN level_reached = request.max_depth THEN 'depth_limit'
        ELSE 'exhausted'
    END;
    RETURN jsonb_build_object(
        'reason', reason,
        'level_reached', level_reached,
        'caps_hit', is_cut,
        'max_edges_per_hop', CASE WHEN impl <> 'v1' THEN request.max_edges_per_hop END,
        'collection_members', counts.collection_members,
        'target_edges', counts.target_edges,
        'target_edges_passing', CASE
            WHEN request.is_filtered THEN counts.target_edges_passing
        END,
        'target_edges_to_members', counts.target_edges_to_members,
        'target_edges_to_excluded', counts.target_edges_to_excluded,
        'target_experiences_unresolved', experiences.unresolved,
        'target_experiences_excluded', experiences.excluded,
        'excluded', counts.excluded,
        'counted_to', counted_to,
        'counts_are_exact', counts.counts_are_exact
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.why_no_more(connection_paths.search_request, text, integer, boolean, integer, boolean, boolean) IS 'Why find_paths found fewer paths than wanted: a reason and bounded counts; the part "why" of its answer';

REVOKE ALL ON FUNCTION connection_paths.why_no_more(connection_paths.search_request, text, integer, boolean, integer, boolean, boolean)
FROM PUBLIC;

-- connection_paths.find_paths(target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope,
--     impl, time_budget_ms, excluded_contact_ids, max_edges_per_hop, order_by, kinds, min_strength, ended_after,
--     via_organization_ids, not_via_organization_ids, opener_user_ids, max_per_introducer, with_names, ids_as_text)
--
-- Finds paths to a contact, grouped by chain, and returns one JSON document.
--
-- Parameters
--     target_contact_id         The contact to be introduced to. Required; an unknown id gives an empty answer.
--     collection_id             The collection whose members may be asked. Required; an unknown id gives an empty
--                               answer.
--     viewer_user_id            The user who asks. Required.
--     max_depth                 The most contacts on a path, 1 to 6.
--     max_paths                 The most chains to return, 1 to 1,000. A chain counts once, however many users open it.
--     seed_scope                Who may open a path: 'any' (every user of the collection) or 'importer' (only the
--                               viewer).
--     impl                      'v1' (legacy_finder) or 'v2' (deep_finder). NULL: the collection's row in
--                               finder_rollout, else 'v2'.
--     time_budget_ms            Milliseconds to answer in, 1 or more. The search ends after two thirds of them.
--     excluded_contact_ids      Contacts who may not be asked in this call, besides those in do_not_ask. At most
--                               10,000.
--     max_edges_per_hop         Through how many best edges of a contact the search goes on, 1 or more. NULL: all.
--     order_by                  Which edges and paths come first: 'recency' (those that end last) or 'strength' (the
--                               strongest).
--     kinds                     Only edges of these kinds. NULL: every kind.
--     min_strength              Only edges of at least this strength, 0 to 100. NULL: every edge.
--     ended_after               Only edges that go on, or end on this day or later. NULL: every edge.
--     via_organization_ids      Only edges of these organizations, 1 to 1,000 of them. NULL: every edge.
--     not_via_organization_ids  No edge of these organizations, at most 1,000 of them. NULL: every edge.
--     opener_user_ids           Only these users open paths, 1 to 1,000 of them. NULL: every user.
--     max_per_introducer        How many paths may have the same contact before the target, 1 or more. NULL: any
--                               number.
--     with_names                True: with the names of contacts, organizations and, where mapped, users.
--     ids_as_text               True: every id is a string, for languages whose numbers are doubles.
-- Returns
--     One JSON object with these keys.
--     impl       'v1' or 'v2': the implementation that answered.
--     total      How many paths the object holds.
--     truncated  True when more paths exist.
--     complete   False when the time ran out. The paths are right, but more may exist.
--     why        null when max_paths paths were found. Otherwise an object: its key reason says why there are no more
--                paths. See why_no_more.
--     paths      An array of paths, the best first. Each has the keys depth, user_ids (the users who can open the
--                path, the viewer first), contact_ids (from the first contact to the target), recency, strength and
--                tier (of the weakest hop; null at depth 1), and hops: one object per edge. A hop has the keys from,
--                to, kind, organization_id, date_from, date_to, strength, tier, overlap_days, people and
--                shared_organizations. With names, a path also has user_names and contact_names, and a hop from_name,
--                to_name and organization_name.
-- Errors
--     22004  An argument is NULL that must not be.
--     22023  An argument is outside its range.
-- Reads
--     finder_rollout
-- Writes
--     none
-- Used by
--     applications, orchestrator/finders/question.py, orchestrator/playground/answer.py
-- Why
--     One plan serves every call, and plans must read by index, in its order. deep_finder says why, and has the same
--     settings.
CREATE OR REPLACE FUNCTION connection_paths.find_paths(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer DEFAULT 2,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any',
    impl text DEFAULT NULL,
    time_budget_ms integer DEFAULT 1500,
    excluded_contact_ids bigint[] DEFAULT '{}',
    max_edges_per_hop integer DEFAULT connection_paths.search_limit('max_edges_per_hop'),
    order_by text DEFAULT 'recency',
    kinds text[] DEFAULT NULL,
    min_strength integer DEFAULT NULL,
    ended_after date DEFAULT NULL,
    via_organization_ids bigint[] DEFAULT NULL,
    not_via_organization_ids bigint[] DEFAULT NULL,
    opener_user_ids bigint[] DEFAULT NULL,
    max_per_introducer integer DEFAULT NULL,
    with_names boolean DEFAULT false,
    ids_as_text boolean DEFAULT false
)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET max_parallel_workers_per_gather = 0
SET enable_seqscan = off
SET enable_sort = off
SET enable_incremental_sort = off
SET enable_nestloop = off
SET enable_mergejoin = off
AS $function$
#variable_conflict use_column
DECLARE
    -- the last third is for ranking what was found and looking up its details
    deadline CONSTANT timestamptz := clock_timestamp() + make_interval(secs => time_budget_ms / 1500.0);
    excluded CONSTANT bigint[] := connection_paths.checked_exclusions(excluded_contact_ids);
    chosen text;
    request connection_paths.search_request;
    found record;
    number integer; -- of paths found, one more than wanted at most
    paths jsonb;
    why jsonb;
BEGIN
    request := connection_paths.checked_request(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop, order_by,
        kinds, min_strength, ended_after, via_organization_ids, not_via_organization_ids, opener_user_ids,
        max_per_introducer
    );
    IF time_budget_ms IS NULL THEN
        RAISE EXCEPTION 'time_budget_ms must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Allowed: 1 or more.';
    ELSIF time_budget_ms < 1 THEN
        RAISE EXCEPTION 'time_budget_ms must be 1 or more, not %', time_budget_ms
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Allowed: 1 or more.';
    ELSIF impl NOT IN ('v1', 'v2') THEN
        RAISE EXCEPTION 'impl must be v1 or v2, not %', quote_literal(impl)
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Allowed: v1 or v2, or NULL for the implementation of the collection.';
    ELSIF with_names IS NULL OR ids_as_text IS NULL THEN
        RAISE EXCEPTION '% must not be null', CASE WHEN with_names IS NULL THEN 'with_names' ELSE 'ids_as_text' END
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Allowed: true or false.';
    END IF;

    chosen := COALESCE(
        impl,
        (SELECT r.impl FROM connection_paths.finder_rollout AS r WHERE r.collection_id = find_paths.collection_id),
        'v2'
    );
    request.max_found := max_paths + 1; -- one more shows that there are more
    request.by_chain := true;
    request.excluded_contact_ids := excluded;
    request.nobody_is_excluded := request.nobody_is_excluded AND excluded = '{}';
    request.deadline := deadline;
    IF chosen = 'v1' THEN
        request.max_depth := LEAST(max_depth, 2);
        request.max_edges_per_hop := NULL;
        request.given_edges := '{}';
        IF max_depth = 1 OR clock_timestamp() < deadline THEN
            request.given_edges := connection_paths.edges_from_experiences(target_contact_id);
        END IF;
    END IF;

    found := connection_paths.search(request);
    number := cardinality(found.paths);

    SELECT d.documents
    INTO paths
    FROM connection_paths.path_documents(request, found.paths[:max_paths], with_names, ids_as_text) AS d;
    IF number < max_paths THEN
        why := connection_paths.why_no_more(
            request, chosen, number, found.is_complete, found.level_reached, found.is_cut, found.is_limited
        );
    END IF;

    RETURN jsonb_build_object(
        'impl', chosen,
        'total', LEAST(number, max_paths),
        'truncated', number > max_paths,
        'complete', found.is_complete,
        'why', why,
        'paths', COALESCE(paths, '[]')
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.find_paths(bigint, bigint, bigint, integer, integer, text, text, integer, bigint[], integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer, boolean, boolean) IS 'Finds introduction paths to a contact, grouped by chain, and returns JSON. Applications call this function. Contacts in excluded_contact_ids, and those in do_not_ask for the collection, are on no path. When fewer than max_paths paths are found, the key why says the reason';

REVOKE ALL ON FUNCTION connection_paths.find_paths(bigint, bigint, bigint, integer, integer, text, text, integer, bigint[], integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer, boolean, boolean)
FROM PUBLIC;

-- connection_paths.refuse_transition()
--
-- Trigger function that raises an error for a change of state that a run or a batch may not make.
--
-- Parameters
--     none
-- Returns
--     Nothing: it always raises an error.
-- Errors
--     55000  The run or the batch cannot go from its old state to the new one.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     trigger on backfill_runs, trigger on backfill_batches
-- Why
--     The WHEN conditions of the two triggers list the changes of state that are allowed. PostgreSQL calls this
--     function only for other changes.
--
--     A cancelled rebuild must not continue: changes of edges are no longer recorded for it, and its table may belong
--     to the next rebuild. A batch that is done must not be done again: a rebuild would insert its edges twice.
CREATE OR REPLACE FUNCTION connection_paths.refuse_transition()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_TABLE_NAME = 'backfill_batches' THEN
        RAISE EXCEPTION 'batch % of run % cannot go from % to %', OLD.batch_id, OLD.run_id, OLD.status, NEW.status
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Only claim_batch, do_batch and fail_batch change the status of a batch.';
    END IF;
    IF NOT OLD.is_active THEN
        RAISE EXCEPTION 'run % is over: %', OLD.run_id, OLD.status
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Create another run: create_run.';
    END IF;
    RAISE EXCEPTION 'run % cannot go from % (%) to % (%)',
        OLD.run_id, OLD.status, OLD.phase, NEW.status, NEW.phase
        USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Use pause_run, resume_run or cancel_run; workers make all other changes.';
END
$function$;

COMMENT ON FUNCTION connection_paths.refuse_transition() IS 'Trigger: raises an error for a change of state that a run or a batch cannot make';

REVOKE ALL ON FUNCTION connection_paths.refuse_transition() FROM PUBLIC;

-- connection_paths.queue_policy_changes()
--
-- Trigger function that queues the organizations whose policy a statement changed.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     trigger on organization_policy
-- Why
--     The policy and its queue row are committed together or not at all. sync_changes then refreshes the contacts that
--     worked at the organization. An UPDATE that changes neither the rule nor the days queues nothing. TRUNCATE queues
--     every contact.
--     SECURITY DEFINER: a role that may write organization_policy needs no other right.
CREATE OR REPLACE FUNCTION connection_paths.queue_policy_changes()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    ids bigint[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        ids := ARRAY(SELECT n.organization_id FROM new_rows AS n);
    ELSIF TG_OP = 'DELETE' THEN
        ids := ARRAY(SELECT o.organization_id FROM old_rows AS o);
    ELSIF TG_OP = 'UPDATE' THEN
        ids := ARRAY(
            SELECT DISTINCT s.organization_id
            FROM (
                SELECT n.organization_id, n.rule, n.min_overlap_days, 1 AS more FROM new_rows AS n
                UNION ALL
                SELECT o.organization_id, o.rule, o.min_overlap_days, -1 FROM old_rows AS o
            ) AS s
            GROUP BY s.organization_id, s.rule, s.min_overlap_days
            HAVING sum(s.more) <> 0
        );
    ELSE
        ids := ARRAY[NULL]::bigint[]; -- every contact
    END IF;
    IF cardinality(ids) > 0 THEN
        INSERT INTO connection_paths.contact_changes (organization_id) SELECT c.id FROM unnest(ids) AS c (id);
        PERFORM connection_paths.wake_listener();
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_policy_changes() IS 'Trigger: queues the organizations whose policy a statement changed';

REVOKE ALL ON FUNCTION connection_paths.queue_policy_changes() FROM PUBLIC;
INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ('55c3f7f5e5ae14feead71bd7d3a05c3091c1e197d465a54830daf91edb5c6d66', '0005_functions', now() AT TIME ZONE 'UTC');
COMMIT;
\endif

-- 0006_backfill_tables
SELECT NOT EXISTS (
    SELECT FROM connection_paths._yoyo_migration AS m WHERE m.migration_id = '0006_backfill_tables'
) AS is_to_do \gset
\if :is_to_do
BEGIN;
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
INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ('07a9b700fda6b83af01af5345b923b10a7a8df54c1e0447f4c3a544a11a97de7', '0006_backfill_tables', now() AT TIME ZONE 'UTC');
COMMIT;
\endif

-- 0007_backfill_functions
SELECT NOT EXISTS (
    SELECT FROM connection_paths._yoyo_migration AS m WHERE m.migration_id = '0007_backfill_functions'
) AS is_to_do \gset
\if :is_to_do
BEGIN;
-- connection_paths.advisory_key(purpose, id)
--
-- Returns the key of an advisory lock of the package.
--
-- Parameters
--     purpose  'worker': held by a session that works on runs, for as long as the session lives; id is its worker id.
--              'refresh': shared by a transaction that refreshes edges; id is the oldest transaction whose work it may
--              not have seen. 'listener': held by a session that sleeps until there are changes, and that writers
--              wake; id is 0. Another value or NULL gives NULL.
--     id       0 to 2^48 - 1. NULL gives NULL.
-- Returns
--     A key for pg_advisory_lock(bigint) and its variants, or NULL.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     begin_refresh, lock_holders, register_worker, wake_listener, orchestrator/changes/sync.py
-- Why
--     The high 16 bits of the key hold the purpose, so that lock_holders can read purpose and id from pg_locks.
--
--     Any role that can connect may take any of these locks. So no lock here protects data. The locks only show which
--     sessions are alive, and lock_holders counts only sessions that may do the work. Exclusive access is always
--     protected by a lock of a row or of a table of the package.
CREATE OR REPLACE FUNCTION connection_paths.advisory_key(purpose text, id bigint)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        CASE advisory_key.purpose
            WHEN 'worker' THEN 25441
            WHEN 'refresh' THEN 25442
            WHEN 'listener' THEN 25444
        END::bigint * 281474976710656 -- 2^48
        + advisory_key.id;
END;

COMMENT ON FUNCTION connection_paths.advisory_key(text, bigint) IS 'The key of an advisory lock of the package''s: worker, refresh or listener, and an id';

REVOKE ALL ON FUNCTION connection_paths.advisory_key(text, bigint) FROM PUBLIC;

-- connection_paths.lock_holders(purpose)
--
-- Lists the sessions that hold advisory locks of one purpose in this database now.
--
-- Parameters
--     purpose  A purpose of advisory_key. Another value or NULL gives no rows.
-- Returns
--     id      The id that the lock was taken for.
--     pid     The process of the session. NULL: a prepared transaction.
--     holder  The transaction or session, as pg_locks.virtualtransaction shows it.
-- Errors
--     none
-- Reads
--     backfill_batches, contact_changes, contact_connections
-- Writes
--     none
-- Used by
--     await_refreshes, claim_batch, claim_finish, register_worker, orchestrator/runs/runs.py,
--     sql/queries/doctor/queue.sql, sql/queries/doctor/runs.sql, sql/queries/runs/busy_workers.sql
-- Why
--     A session that has died holds no lock. So this function separates live workers from dead ones without timeouts.
--     It reads pg_locks, which shows the current locks and not those at the time of the caller's snapshot.
--
--     Any role that can connect may take the same locks. A holder counts only when it may do the work of the purpose:
--         its role (for a prepared transaction, the role that prepared it) is a superuser or has a privilege on the
--         table that the work writes, directly or through any membership, inherited or not, because SET ROLE works;
--         or its transaction holds ROW EXCLUSIVE on that table, which needs such a privilege. This covers a SECURITY
--         DEFINER function of the application that refreshes edges for a role without rights.
--     A session that pg_stat_activity does not show counts, because it may be starting or ending.
CREATE OR REPLACE FUNCTION connection_paths.lock_holders(purpose text)
RETURNS TABLE (id bigint, pid integer, holder text)
LANGUAGE sql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 10
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT pg_catalog.pg_stat_clear_snapshot(); -- otherwise a long transaction sees old sessions

    WITH work (purpose, relation, privilege) AS (
        VALUES
            ('worker', 'connection_paths.backfill_batches', 'UPDATE'),
            ('refresh', 'connection_paths.contact_connections', 'INSERT'),
            ('listener', 'connection_paths.contact_changes', 'DELETE')
    ),
    written AS (
        SELECT c.oid, c.relowner, COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner)) AS acl, w.privilege
        FROM work AS w
        JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(w.relation)
        WHERE w.purpose = lock_holders.purpose
    ),
    locks AS MATERIALIZED (
        SELECT
            l.locktype,
            (l.classid::bigint << 32) | l.objid::bigint AS key,
            l.objsubid,
            l.relation,
            l.mode,
            l.pid,
            l.virtualtransaction
        FROM pg_catalog.pg_locks AS l
        WHERE l.granted
            AND l.locktype IN ('advisory', 'relation')
            AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
    ),
    held AS MATERIALIZED (
        SELECT l.key, l.pid, l.virtualtransaction
        FROM locks AS l
        WHERE l.locktype = 'advisory'
            AND l.objsubid = 1
            AND l.key >= connection_paths.advisory_key(lock_holders.purpose, 0)
            AND l.key < connection_paths.advisory_key(lock_holders.purpose, 281474976710656) -- 2^48
    )
    SELECT h.key - connection_paths.advisory_key(lock_holders.purpose, 0), h.pid, h.virtualtransaction
    FROM held AS h
    CROSS JOIN written AS w
    LEFT JOIN LATERAL (
        SELECT a.usesysid AS role
        FROM pg_catalog.pg_stat_get_activity(h.pid) AS a
        WHERE h.pid IS NOT NULL
        UNION ALL
        SELECT r.oid
        FROM pg_catalog.pg_prepared_xacts AS x
        JOIN pg_catalog.pg_roles AS r ON r.rolname = x.owner
        WHERE h.pid IS NULL AND x.transaction::text = pg_catalog.split_part(h.virtualtransaction, '/', 2)
    ) AS s ON true
    WHERE s.role IS NULL
        OR pg_catalog.has_table_privilege(s.role, w.oid, w.privilege)
        OR pg_catalog.pg_has_role(s.role, w.relowner, 'MEMBER')
        OR pg_catalog.pg_has_role(s.role, 'pg_write_all_data', 'MEMBER')
        OR EXISTS (
            SELECT
            FROM pg_catalog.aclexplode(w.acl) AS a
            WHERE a.privilege_type = w.privilege AND a.grantee <> 0 AND pg_catalog.pg_has_role(s.role, a.grantee, 'MEMBER')
        )
        OR EXISTS (
            SELECT
            FROM locks AS l
            WHERE l.locktype = 'relation'
                AND l.relation = w.oid
                AND l.mode = 'RowExclusiveLock'
                AND l.virtualtransaction = h.virtualtransaction
                AND l.pid IS NOT DISTINCT FROM h.pid
        )
$function$;

COMMENT ON FUNCTION connection_paths.lock_holders(text) IS 'Who holds the package''s advisory locks of one purpose and may do that work: worker, refresh or listener';

REVOKE ALL ON FUNCTION connection_paths.lock_holders(text) FROM PUBLIC;

-- connection_paths.require_read_committed()
--
-- Raises an error unless the transaction is READ COMMITTED.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     25001  The transaction is REPEATABLE READ or SERIALIZABLE.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     begin_refresh, cancel_run, copy_remaining_edges, do_batch, exchange_rebuild, fail_batch
-- Why
--     At the other levels all statements share one snapshot. A statement may then see data that is older than the
--     locks that were taken before it, and those locks protect nothing.
CREATE OR REPLACE FUNCTION connection_paths.require_read_committed()
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'edges cannot be written in a transaction that is %', current_setting('transaction_isolation')
            USING ERRCODE = 'active_sql_transaction', HINT = 'Use BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_read_committed() IS 'Raises unless the transaction is READ COMMITTED';

REVOKE ALL ON FUNCTION connection_paths.require_read_committed() FROM PUBLIC;

-- connection_paths.source_tables()
--
-- Lists the four tables of the application that the package reads, each with its binding view.
--
-- Parameters
--     none
-- Returns
--     One row for each table.
--     table_name     The name of the table in this documentation, such as contacts.
--     view_name      The name of its binding view.
--     view_oid       The binding view. NULL: the view is missing.
--     table_oid      The table that the view reads. NULL: the view is missing or the table is detached.
--     table_schema   The schema of that table, or NULL.
--     relation_name  The name of that table, or NULL.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     attach_source, detach_source, hidden_tables, require_sources
-- Why
--     This is the only place in a function that names the four tables or looks up the table behind a view. It looks up
--     the views by name, so it works while a view is missing.
CREATE OR REPLACE FUNCTION connection_paths.source_tables()
RETURNS TABLE (
    table_name text, view_name text, view_oid oid, table_oid oid, table_schema text, relation_name text
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 4
BEGIN ATOMIC
    SELECT s.table_name, s.view_name, v.oid, t.oid, n.nspname::text, t.relname::text
    FROM (
        VALUES
            ('contacts'::text, 'live_contacts'::text),
            ('organizations', 'known_organizations'),
            ('contact_work_experiences', 'work_experiences'),
            ('user_contact_collections', 'collection_members')
    ) AS s (table_name, view_name)
    LEFT JOIN pg_catalog.pg_class AS v
        ON v.oid = pg_catalog.to_regclass('connection_paths.' || s.view_name) AND v.relkind = 'v'
    LEFT JOIN LATERAL (
        SELECT DISTINCT d.refobjid
        FROM pg_catalog.pg_rewrite AS r
        JOIN pg_catalog.pg_depend AS d
            ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            AND d.objid = r.oid
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid
        WHERE r.ev_class = v.oid
            AND c.relnamespace <> v.relnamespace -- a view may read a table of the package, too
            AND c.relkind <> 'c' -- an expression may use a part of a composite type
    ) AS b ON true
    LEFT JOIN pg_catalog.pg_class AS t ON t.oid = b.refobjid
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace;
END;

COMMENT ON FUNCTION connection_paths.source_tables() IS 'The four tables of the application that the package reads, each with its binding view';

REVOKE ALL ON FUNCTION connection_paths.source_tables() FROM PUBLIC;

-- connection_paths.hidden_tables()
--
-- Lists the tables of the application whose rows row-level security may hide from the current role.
--
-- Parameters
--     none
-- Returns
--     One row for each table: table_name is its name with the schema, quoted where necessary. No row for a superuser,
--     for an owner of the tables (unless FORCE ROW LEVEL SECURITY is set), and for a role with BYPASSRLS.
--     user_contact_collections is not checked, because edges do not depend on it.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     require_sources, orchestrator/host/sources.py, sql/queries/host/may_write_edges.sql
-- Why
--     Edges are computed from all rows. A role that cannot see some rows would delete the edges of these rows.
--     Policies hide nothing when a permissive policy for the role has USING (true) and no restrictive policy applies to
--     the role.
CREATE OR REPLACE FUNCTION connection_paths.hidden_tables()
RETURNS TABLE (table_name text)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT quote_ident(s.table_schema) || '.' || quote_ident(s.relation_name)
    FROM connection_paths.source_tables() AS s
    WHERE s.table_name <> 'user_contact_collections'
        AND s.table_oid IS NOT NULL
        AND pg_catalog.row_security_active(s.table_oid)
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_policy AS p
            WHERE p.polrelid = s.table_oid
                AND p.polcmd IN ('r', '*')
                AND EXISTS (
                    SELECT
                    FROM unnest(p.polroles) AS r (id)
                    WHERE CASE r.id WHEN 0 THEN true ELSE pg_catalog.pg_has_role(r.id, 'USAGE') END
                )
            HAVING bool_or(p.polpermissive AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true')
                AND NOT bool_or(NOT p.polpermissive)
        );
END;

COMMENT ON FUNCTION connection_paths.hidden_tables() IS 'The tables of the application whose rows row-level security may hide from this role';

REVOKE ALL ON FUNCTION connection_paths.hidden_tables() FROM PUBLIC;

-- connection_paths.require_sources()
--
-- Raises an error when edges cannot be computed from the tables of the application.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     CP010  A table is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of a table from this role.
-- Reads
--     detached_sources
-- Writes
--     none
-- Used by
--     begin_refresh, create_run, rebuild_range, sync_changes
-- Why
--     Every function that writes edges calls this function first. Otherwise such an error would count as the failure of
--     one contact or one batch. On the coordinator, a distributed table of Citus has no rows. Without this check the
--     package would delete correct edges.
CREATE OR REPLACE FUNCTION connection_paths.require_sources()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    names text;
BEGIN
    SELECT string_agg(pg_catalog.format('%I.%I', d.table_schema, d.relation_name), ', ' ORDER BY d.table_name)
    INTO names
    FROM connection_paths.detached_sources AS d;
    IF names IS NOT NULL THEN
        RAISE EXCEPTION 'detached from connection_paths: %', names
            USING ERRCODE = 'CP010',
                HINT = 'Run orchestrator attach, or SELECT * FROM connection_paths.attach_source(...).';
    END IF;

    SELECT string_agg(h.table_name, ', ' ORDER BY h.table_name)
    INTO names
    FROM connection_paths.hidden_tables() AS h;
    IF names IS NOT NULL THEN
        RAISE EXCEPTION 'row-level security may hide rows of % from role %', names, current_user
            USING ERRCODE = 'CP012',
                DETAIL = 'Edges are computed from all rows, so the edges of hidden rows would be deleted.',
                HINT = 'Use the owner of the tables, a role with BYPASSRLS, or a policy for this role with USING (true).';
    END IF;

    IF to_regclass('pg_catalog.pg_dist_partition') IS NULL THEN
        RETURN;
    END IF;
    EXECUTE $query$
        SELECT string_agg(pg_catalog.format('%I.%I', n.nspname, c.relname), ', ')
        FROM pg_catalog.pg_dist_partition AS p
        JOIN pg_catalog.pg_class AS c ON c.oid = p.logicalrelid::oid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'connection_paths'
            AND (
                pg_catalog.to_regclass('connection_paths.edge_shards') IS NULL
                OR c.relname NOT IN (
                    'contact_connections', 'contact_connections_live', 'contact_connections_next',
                    'contact_connections_old', 'edge_shards'
                )
            )
            OR c.oid IN (SELECT s.table_oid FROM connection_paths.source_tables() AS s)
        $query$
    INTO names;
    IF names IS NOT NULL THEN
        RAISE EXCEPTION 'managed by Citus: %', names
            USING ERRCODE = 'CP011',
                DETAIL = 'On the coordinator such a table has no rows, so edges would be deleted.',
                HINT = 'Undistribute the table: SELECT undistribute_table(...).';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_sources() IS 'Raises when a table of the application is detached, hides rows from this role, or is managed by Citus';

REVOKE ALL ON FUNCTION connection_paths.require_sources() FROM PUBLIC;

-- connection_paths.begin_refresh()
--
-- Announces to other sessions that this transaction refreshes edges.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     25001  The transaction is not READ COMMITTED: its statements may see data that is older than the lock.
--     55P03  Other sessions hold every advisory lock of the purpose 'refresh' exclusively.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     write_edges
-- Why
--     The function takes a shared advisory lock until the transaction ends. The id of the lock is the oldest
--     transaction whose work the following statements may not see. Before sync_changes refreshes a change, it waits for
--     the transactions whose lock shows that they may not have seen the change. Without this wait, a transaction could
--     commit an edge that it computed before the change, after sync_changes removed the change from the queue. The
--     wrong edge would stay.
--
--     The function never waits. When another session holds the lock exclusively, it takes the lock of the next older
--     transaction. An older id is safe: more changes wait for it than necessary.
CREATE OR REPLACE FUNCTION connection_paths.begin_refresh()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    oldest bigint := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
BEGIN
    PERFORM connection_paths.require_sources();
    PERFORM connection_paths.require_read_committed();
    -- lock_holders recognizes this transaction by this lock, whatever rights the role of the session has
    LOCK TABLE connection_paths.contact_connections IN ROW EXCLUSIVE MODE;
    WHILE NOT pg_try_advisory_xact_lock_shared(connection_paths.advisory_key('refresh', oldest)) LOOP
        IF oldest = 0 THEN
            RAISE EXCEPTION 'other sessions hold every advisory lock of the purpose refresh'
                USING ERRCODE = 'lock_not_available', HINT = 'Look for these sessions in pg_locks and end them.';
        END IF;
        oldest := oldest - 1;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.begin_refresh() IS 'Announces, until the transaction ends, that this transaction refreshes edges';

REVOKE ALL ON FUNCTION connection_paths.begin_refresh() FROM PUBLIC;

-- connection_paths.await_refreshes(written_by)
--
-- Waits for the transactions that refresh edges and may not have seen the work of an ended transaction.
--
-- Parameters
--     written_by  The ended transaction. Required.
-- Returns
--     Nothing, after the wait.
-- Errors
--     55P03  The wait took too long; the hint names a process that was waited for. Call again in another transaction.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     sync_changes
-- Why
--     A refresh that began while a transaction up to written_by was in progress may have read old data. After all these
--     refreshes have ended, the next refresh is the last one to write. Read-copy-update calls this a grace period. The
--     wait is only for the refreshes that are in progress when it begins; later ones have seen the change.
--
--     The deadlock detector of PostgreSQL does not see this wait. So the function gives up when the wait may be part of
--     a deadlock:
--         after 0.1 s, when another session waits for a lock of this transaction, such as the lock of a table that this
--         transaction has read;
--         after 0.5 s, when this transaction has refreshed edges itself, because another session may wait for it here;
--         after 60 s in all other cases. A transaction of sync_changes holds nothing that other sessions need.
CREATE OR REPLACE FUNCTION connection_paths.await_refreshes(written_by xid8)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    started CONSTANT timestamptz := clock_timestamp();
    pause double precision := 0.001;
    awaited text[];
    process integer;
    max_seconds double precision := 60;
    waited double precision;
BEGIN
    IF EXISTS (
        SELECT FROM connection_paths.lock_holders('refresh') AS h WHERE h.pid = pg_backend_pid()
    ) THEN
        max_seconds := 0.5;
    END IF;
    LOOP
        SELECT array_agg(h.holder), min(h.pid)
        INTO awaited, process
        FROM connection_paths.lock_holders('refresh') AS h
        WHERE h.id <= await_refreshes.written_by::text::bigint
            AND h.pid IS DISTINCT FROM pg_backend_pid()
            -- later rounds look only at the holders of the first round; PREPARE TRANSACTION renames a holder
            AND (awaited IS NULL OR h.holder = ANY (awaited) OR h.pid IS NULL);
        EXIT WHEN awaited IS NULL;

        waited := extract(epoch FROM clock_timestamp() - started);
        IF waited > max_seconds THEN
            RAISE EXCEPTION 'another transaction has been refreshing edges for % s', round(waited)
                USING ERRCODE = 'lock_not_available',
                    HINT = COALESCE('End it with pg_terminate_backend(' || process || ').', 'Look for it in pg_prepared_xacts.');
        END IF;
        IF waited > 0.1 AND EXISTS (
            SELECT
            FROM pg_catalog.pg_locks AS l
            WHERE NOT l.granted AND pg_backend_pid() = ANY (pg_blocking_pids(l.pid))
        ) THEN
            RAISE EXCEPTION 'another session waits for this transaction, which waits for a refresh of edges'
                USING ERRCODE = 'lock_not_available',
                    HINT = 'Call again in another transaction. This call waited for '
                        || COALESCE('process ' || process, 'a prepared transaction') || '.';
        END IF;
        PERFORM pg_sleep(pause);
        pause := LEAST(pause * 1.5, 0.05);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.await_refreshes(xid8) IS 'Waits for the refreshes in progress that may not have seen the work of a transaction';

REVOKE ALL ON FUNCTION connection_paths.await_refreshes(xid8) FROM PUBLIC;

-- connection_paths.longest_wait()
--
-- Returns the largest number of days between the start of an overlap and the day from which it makes an edge.
--
-- Parameters
--     none
-- Returns
--     The largest min_overlap_days of all organizations, minus 1. 0 when no organization is limited.
-- Errors
--     none
-- Reads
--     organization_policy
-- Writes
--     none
-- Used by
--     rebuild_range, schedule_refreshes
-- Why
--     An overlap of a limited organization makes an edge from its last required day on. So only work experiences that
--     began within this number of days, or begin in the future, can make new edges on a later day.
CREATE OR REPLACE FUNCTION connection_paths.longest_wait()
RETURNS integer
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT COALESCE(max(p.min_overlap_days) - 1, 0)
    FROM connection_paths.organization_policy AS p;
END;

COMMENT ON FUNCTION connection_paths.longest_wait() IS 'The largest number of days between the start of an overlap and the day from which it makes an edge';

REVOKE ALL ON FUNCTION connection_paths.longest_wait() FROM PUBLIC;

-- connection_paths.schedule_refreshes(contact_ids)
--
-- Schedules a refresh of each contact for the day when its next work experience starts to count.
--
-- Parameters
--     contact_ids  The contacts. NULL elements and repeated elements are ignored.
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     employments, organization_policy, due_changes
-- Writes
--     due_changes
-- Used by
--     rebuild_range, write_edges
-- Why
--     An overlap that starts in the future is no edge yet. It starts when the later of its two work experiences starts.
--     So it is enough to refresh each contact on the days when its own work experiences start. Every function that
--     computes edges calls this function afterwards. It writes at most one row for a contact, and only when the row is
--     missing or has a later day. On that day sync_changes queues the contact, and the refresh schedules the next day.
--
--     Where organization_policy requires min_overlap_days days, an overlap that goes on becomes long enough some days
--     after its start. The day depends only on the later of its two work experiences: its start plus the required
--     days. So that day counts as the start of the work experience.
--
--     The day is CURRENT_DATE of the session, as in possible_overlaps. Sessions in two time zones may have different
--     days for some hours. Then each session schedules what has not started on its own day. The edge exists when the
--     day has begun in the time zone of the session that runs sync_changes.
--
--     A row stays when its work experience is deleted. It costs one unnecessary refresh.
CREATE OR REPLACE FUNCTION connection_paths.schedule_refreshes(contact_ids bigint[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $function$
DECLARE
    -- a variable: in the statement, the function would be called for each work experience
    begun_before CONSTANT date := CURRENT_DATE - connection_paths.longest_wait();
BEGIN
    INSERT INTO connection_paths.due_changes AS d (contact_id, due_on)
    SELECT s.contact_id, s.starts_on
    FROM (
        SELECT c.id AS contact_id, e.starts_on
        FROM (SELECT DISTINCT u.id FROM unnest(schedule_refreshes.contact_ids) AS u (id)) AS c
        CROSS JOIN LATERAL (
            SELECT min(w.date_from + COALESCE(p.min_overlap_days - 1, 0)) AS starts_on
            FROM connection_paths.employments AS w
            LEFT JOIN connection_paths.organization_policy AS p ON p.organization_id = w.organization_id
            WHERE w.contact_id = c.id
                -- only experiences that begin late enough need the look-up of the policy
                AND w.date_from > begun_before
                AND w.date_from < '1000000-01-01'::date
                AND w.date_from + COALESCE(p.min_overlap_days - 1, 0) > CURRENT_DATE
            OFFSET 0
        ) AS e
        WHERE e.starts_on IS NOT NULL
    ) AS s
    WHERE NOT EXISTS (
        SELECT FROM connection_paths.due_changes AS h WHERE h.contact_id = s.contact_id AND h.due_on <= s.starts_on
    )
    ORDER BY s.contact_id
    ON CONFLICT (contact_id) DO UPDATE SET due_on = LEAST(d.due_on, excluded.due_on);
END
$function$;

COMMENT ON FUNCTION connection_paths.schedule_refreshes(bigint[]) IS 'Schedules a refresh of contacts for the day when their next work experience starts to count';

REVOKE ALL ON FUNCTION connection_paths.schedule_refreshes(bigint[]) FROM PUBLIC;

-- connection_paths.count_is_good_for()
--
-- Returns how long the package uses a count of the people of an organization.
--
-- Parameters
--     none
-- Returns
--     A day.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     count_organizations, recount_organizations, resize_organizations, sql/queries/changes/changes_left.sql,
--     sql/queries/edges/wrong_sizes.sql, sql/queries/doctor/old_counts.sql
CREATE OR REPLACE FUNCTION connection_paths.count_is_good_for()
RETURNS interval
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT interval '1 day';
END;

COMMENT ON FUNCTION connection_paths.count_is_good_for() IS 'How long a count of the people of an organization is used';

REVOKE ALL ON FUNCTION connection_paths.count_is_good_for() FROM PUBLIC;

-- connection_paths.class_fits(people, number)
--
-- Checks whether an organization with some number of people may stay in its size class.
--
-- Parameters
--     people  The size class of the organization. NULL gives NULL.
--     number  The number of people. NULL gives NULL.
-- Returns
--     true when the number is in the class or less than 25 % outside of it.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     resize_organizations, sql/queries/edges/wrong_sizes.sql
-- Why
--     Without the 25 %, the edges of an organization whose size goes up and down around the limit of a class would
--     change again and again. For the same reason a class may differ between two databases with the same data.
CREATE OR REPLACE FUNCTION connection_paths.class_fits(people integer, number bigint)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT class_fits.people BETWEEN connection_paths.size_class(class_fits.number / 1.25::double precision)
        AND connection_paths.size_class(class_fits.number * 1.25::double precision);
END;

COMMENT ON FUNCTION connection_paths.class_fits(integer, bigint) IS 'Whether an organization with some number of people may stay in its size class';

REVOKE ALL ON FUNCTION connection_paths.class_fits(integer, bigint) FROM PUBLIC;

-- connection_paths.resize_organizations(organization_ids, numbers, changed_at)
--
-- Changes the size classes of organizations that have clearly more or fewer people, and queues these organizations.
--
-- Parameters
--     organization_ids  The organizations, each once. Organizations without a row in organization_sizes are ignored.
--                       NULL: none.
--     numbers           The number of people of each organization, in the same order.
--     changed_at        The time of the new queue rows. Required.
-- Returns
--     The number of organizations whose class changed.
-- Errors
--     23502  changed_at is NULL, and the class of an organization changes.
-- Reads
--     organization_sizes
-- Writes
--     organization_sizes, contact_changes
-- Used by
--     count_organizations, recount_organizations, sync_changes
-- Why
--     Edges are computed from the class, so an organization whose class changes is queued like any other change of an
--     organization.
--
--     LATERAL, FOR UPDATE: each organization is found by the primary key, and rows are locked in the order of the key.
--     A row that another session has changed in the meantime is compared again.
--
--     A row whose count has become too old gets the time of this count. A newer time stays: then contacts of small
--     organizations are refreshed without writing to organization_sizes.
CREATE OR REPLACE FUNCTION connection_paths.resize_organizations(
    organization_ids bigint[],
    numbers bigint[],
    changed_at timestamptz
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    counted_before CONSTANT timestamptz := now() - connection_paths.count_is_good_for();
    resized bigint;
BEGIN
    WITH outside AS MATERIALIZED (
        SELECT l.id, connection_paths.size_class(c.people) AS people
        FROM (
            SELECT u.id, u.people
            FROM unnest(resize_organizations.organization_ids, resize_organizations.numbers) AS u (id, people)
            ORDER BY u.id
        ) AS c
        CROSS JOIN LATERAL (
            SELECT s.organization_id AS id
            FROM connection_paths.organization_sizes AS s
            WHERE s.organization_id = c.id
                AND NOT connection_paths.class_fits(s.people, c.people)
            FOR UPDATE
        ) AS l
    ),
    changes AS (
        UPDATE connection_paths.organization_sizes AS s
        SET people = o.people, counted_at = now()
        FROM outside AS o
        WHERE s.organization_id = o.id
        RETURNING s.organization_id
    )
    INSERT INTO connection_paths.contact_changes (organization_id, changed_at)
    SELECT c.organization_id, resize_organizations.changed_at FROM changes AS c;
    GET DIAGNOSTICS resized = ROW_COUNT;

    UPDATE connection_paths.organization_sizes AS s
    SET counted_at = now()
    WHERE s.organization_id = ANY (ARRAY(
        SELECT o.organization_id
        FROM connection_paths.organization_sizes AS o
        WHERE o.organization_id = ANY (resize_organizations.organization_ids) AND o.counted_at <= counted_before
        ORDER BY o.organization_id
        FOR UPDATE SKIP LOCKED
    ));
    RETURN resized;
END
$function$;

COMMENT ON FUNCTION connection_paths.resize_organizations(bigint[], bigint[], timestamptz) IS 'Changes the classes of organizations that have clearly more or fewer people, and queues them; returns how many';

REVOKE ALL ON FUNCTION connection_paths.resize_organizations(bigint[], bigint[], timestamptz) FROM PUBLIC;

-- connection_paths.count_organizations(contact_ids, only_new, changed_at)
--
-- Counts the people of organizations, and keeps organization_sizes up to date.
--
-- Parameters
--     contact_ids  The organizations of these contacts that exist. NULL: every organization that exists.
--     only_new     true: only organizations without a row are counted. NULL means false.
--     changed_at   The time of the queue rows of organizations whose class changes. The default is now.
-- Returns
--     The number of organizations whose size class was added or changed.
-- Errors
--     23502  changed_at is NULL, and the class of an organization changes.
-- Reads
--     employments, known_organizations, organization_sizes
-- Writes
--     organization_sizes
-- Used by
--     rebuild_range, sync_changes, write_edges, orchestrator/runs/backfill.py
-- Why
--     An organization without a row has no edges yet, because write_edges and rebuild_range first add the rows of the
--     organizations whose edges they compute. So a new row queues nothing. resize_organizations changes the other rows.
--
--     A sync passes the time of the changes that it takes as changed_at. So it goes on until the contacts of these
--     organizations are refreshed, too.
--
--     An organization of more than 20 people is counted for some contacts only when its last count is too old, because
--     one contact hardly changes its class, and counting it takes longer than refreshing the contact.
CREATE OR REPLACE FUNCTION connection_paths.count_organizations(
    contact_ids bigint[] DEFAULT NULL,
    only_new boolean DEFAULT false,
    changed_at timestamptz DEFAULT now()
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    often_counted CONSTANT integer := 20; -- larger organizations are counted again only when their count is too old
    counted_before CONSTANT timestamptz := now() - connection_paths.count_is_good_for();
    ids bigint[];
    numbers bigint[];
    added bigint;
BEGIN
    IF count_organizations.contact_ids IS NULL THEN
        SELECT array_agg(c.id), array_agg(c.people)
        INTO ids, numbers
        FROM (
            SELECT e.organization_id AS id, COALESCE(o.headcount, count(DISTINCT e.contact_id)) AS people
            FROM connection_paths.employments AS e
            JOIN (
                SELECT k.id, max(k.headcount) FILTER (WHERE k.headcount > 0) AS headcount
                FROM connection_paths.known_organizations AS k
                GROUP BY k.id
            ) AS o ON o.id = e.organization_id
            GROUP BY e.organization_id, o.headcount
        ) AS c;
    ELSE
        SELECT array_agg(c.id), array_agg(c.people)
        INTO ids, numbers
        FROM (
            SELECT o.id, connection_paths.known_people(o.id) AS people
            FROM (
                SELECT DISTINCT e.organization_id AS id
                FROM unnest(count_organizations.contact_ids) AS c (id)
                CROSS JOIN LATERAL (
                    SELECT w.organization_id
                    FROM connection_paths.employments AS w
                    WHERE w.contact_id = c.id
                    OFFSET 0
                ) AS e
            ) AS o
            LEFT JOIN connection_paths.organization_sizes AS s ON s.organization_id = o.id
            WHERE (
                    s.organization_id IS NULL
                    OR count_organizations.only_new IS NOT TRUE
                    AND (s.people <= often_counted OR s.counted_at <= counted_before)
                )
                AND EXISTS (SELECT FROM connection_paths.known_organizations AS k WHERE k.id = o.id)
        ) AS c;
    END IF;

    INSERT INTO connection_paths.organization_sizes (organization_id, people)
    SELECT c.id, connection_paths.size_class(c.people)
    FROM unnest(ids, numbers) AS c (id, people)
    WHERE NOT EXISTS (SELECT FROM connection_paths.organization_sizes AS s WHERE s.organization_id = c.id)
    ORDER BY c.id
    ON CONFLICT (organization_id) DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF count_organizations.only_new THEN
        RETURN added;
    END IF;

    RETURN added + connection_paths.resize_organizations(ids, numbers, count_organizations.changed_at);
END
$function$;

COMMENT ON FUNCTION connection_paths.count_organizations(bigint[], boolean, timestamptz) IS 'Counts the people of organizations and keeps organization_sizes up to date; returns how many classes were added or changed';

REVOKE ALL ON FUNCTION connection_paths.count_organizations(bigint[], boolean, timestamptz) FROM PUBLIC;

-- connection_paths.recount_organizations(max_organizations)
--
-- Counts the people of organizations whose last count is too old.
--
-- Parameters
--     max_organizations  How many organizations to count at most, at least 1. Required.
-- Returns
--     The number of organizations that were counted. 0: every count is new enough.
-- Errors
--     none
-- Reads
--     organization_sizes
-- Writes
--     none
-- Used by
--     sync_changes
-- Why
--     A refresh of a contact counts the organizations where the contact works. It does not see everything that changes
--     a count: the organization that a contact has left, an organization whose headcount has changed, and one of more
--     than 20 people, which it does not count each time. So every organization is also counted once a day.
--
--     The organizations whose count is oldest come first. Rows that another session has locked are skipped. Only an
--     organization whose class changes is queued, with the time when its count became too old. So a sync goes on until
--     the contacts of these organizations are refreshed, too.
CREATE OR REPLACE FUNCTION connection_paths.recount_organizations(max_organizations integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    counted_before CONSTANT timestamptz := now() - connection_paths.count_is_good_for();
    ids bigint[];
    numbers bigint[];
    due_at timestamptz;
BEGIN
    SELECT array_agg(d.organization_id), array_agg(connection_paths.known_people(d.organization_id)), min(d.due_at)
    INTO ids, numbers, due_at
    FROM (
        SELECT s.organization_id, s.counted_at + connection_paths.count_is_good_for() AS due_at
        FROM connection_paths.organization_sizes AS s
        WHERE s.counted_at <= counted_before
        ORDER BY s.counted_at
        LIMIT recount_organizations.max_organizations
        FOR UPDATE SKIP LOCKED
    ) AS d;
    PERFORM connection_paths.resize_organizations(ids, numbers, due_at);
    RETURN COALESCE(cardinality(ids), 0);
END
$function$;

COMMENT ON FUNCTION connection_paths.recount_organizations(integer) IS 'Counts the people of organizations whose last count is a day old; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.recount_organizations(integer) FROM PUBLIC;

-- connection_paths.wanted_edges(contact_ids, smaller_ends_only)
--
-- Computes the work_overlap edges that some contacts should have, each edge once.
--
-- Parameters
--     contact_ids        The contacts. NULL elements and repeated elements are ignored. A contact that does not exist
--                        gives no edges.
--     smaller_ends_only  true: only the edges whose smaller contact id is in contact_ids. false: every edge that
--                        touches one of the contacts. NULL means false.
-- Returns
--     contact_a_id     The smaller contact id of the edge.
--     contact_b_id     The greater contact id of the edge.
--     strength         The strength of the edge: see edge_strength.
--     shared_organizations  How many organizations the two shared.
--     organization_id  The organization where both worked.
--     date_from        The first day of the overlap.
--     date_to          The last day of the overlap. NULL: both work experiences continue.
--     earlier_days     How many days before date_from the two had in common: see overlap_days.
--     people           The size class of the smallest organization that the two shared.
-- Errors
--     none
-- Reads
--     live_contacts
-- Writes
--     none
-- Used by
--     write_differences
-- Why
--     The edges are those of work_overlaps. work_overlaps looks up each neighbour on its own, to leave out contacts
--     that do not exist. This function looks up all neighbours of all contacts at once, in the order of the index. The
--     index scan leaves out repeated ids. That saves a tenth of a sync that has nothing to write
--     (bench/results/sync.md).
--
--     OFFSET 0: each contact is looked up once, not once for each of its neighbours. NOT IN (SELECT): a hash of the
--     contacts, never a loop over them for every edge. IS TRUE: a hash of the ids that exist, not of whole edges.
--     PostgreSQL inlines this function into the calling query.
CREATE OR REPLACE FUNCTION connection_paths.wanted_edges(contact_ids bigint[], smaller_ends_only boolean)
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
    strength smallint,
    shared_organizations smallint,
    organization_id bigint,
    date_from date,
    date_to date,
    earlier_days integer,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 10000
BEGIN ATOMIC
    WITH chosen AS MATERIALIZED (
        SELECT DISTINCT c.id FROM unnest(wanted_edges.contact_ids) AS c (id) WHERE c.id IS NOT NULL
    ),
    possible AS MATERIALIZED (
        SELECT
            c.id AS contact_id,
            o.neighbour_id,
            o.organization_id,
            o.date_from,
            o.date_to,
            o.shared_organizations,
            o.earlier_days,
            o.people
        FROM (
            SELECT h.id
            FROM chosen AS h
            WHERE EXISTS (SELECT FROM connection_paths.live_contacts AS l WHERE l.id = h.id)
            OFFSET 0
        ) AS c
        CROSS JOIN LATERAL
            connection_paths.possible_overlaps(c.id, CASE WHEN wanted_edges.smaller_ends_only THEN c.id END) AS o
        -- an edge between two chosen contacts is computed from its smaller end
        WHERE c.id < o.neighbour_id OR o.neighbour_id NOT IN (SELECT h.id FROM chosen AS h)
    ),
    live AS MATERIALIZED (
        SELECT l.id
        FROM connection_paths.live_contacts AS l
        WHERE l.id = ANY (ARRAY(SELECT p.neighbour_id FROM possible AS p))
    )
    SELECT
        LEAST(p.contact_id, p.neighbour_id),
        GREATEST(p.contact_id, p.neighbour_id),
        connection_paths.edge_strength(
            connection_paths.overlap_days(p.date_from, p.date_to, p.earlier_days), p.people, p.shared_organizations
        ),
        p.shared_organizations,
        p.organization_id,
        p.date_from,
        p.date_to,
        p.earlier_days,
        p.people
    FROM possible AS p
    WHERE (p.neighbour_id IN (SELECT l.id FROM live AS l)) IS TRUE;
END;

COMMENT ON FUNCTION connection_paths.wanted_edges(bigint[], boolean) IS 'The work_overlap edges that some contacts should have, each once; part of write_edges';

REVOKE ALL ON FUNCTION connection_paths.wanted_edges(bigint[], boolean) FROM PUBLIC;

-- connection_paths.write_differences(contact_ids, smaller_ends_only, is_first_try)
--
-- Compares the work_overlap edges of some contacts with those that wanted_edges returns, and writes the differences.
--
-- Parameters
--     contact_ids        The contacts. NULL elements and repeated elements are ignored. A contact that no longer exists
--                        loses its edges.
--     smaller_ends_only  true: only the edges whose smaller contact id is in contact_ids. false: every edge that
--                        touches one of the contacts. NULL means false.
--     is_first_try       true: fail when another session inserts one of the missing edges at the same time. false: then
--                        update that edge. Required.
-- Returns
--     The number of rows of contact_connections that were inserted, updated or deleted.
-- Errors
--     23505  is_first_try is true, and another session has inserted a missing edge since the comparison.
-- Reads
--     contact_connections
-- Writes
--     contact_connections
-- Used by
--     write_edges
-- Why
--     Missing edges are inserted without ON CONFLICT in the first try. With it, PostgreSQL looks each row up in the
--     primary key before it inserts the row, takes a lock, and writes one more WAL record. A backfill in place from
--     empty takes 1.1 times as long that way (docs/adr/0022-how-near-a-rebuild-is-to-its-floor.md).
--
--     Deadlocks: both tries delete edges, then update edges, then insert edges, for all contacts, each in the order of
--     the primary key. So sessions that find the same differences do not deadlock, in whichever try they are. With a
--     statement for each contact instead, two workers of a sync had one deadlock a second. A deadlock is still possible
--     when the application changed the same contacts between the snapshots of two sessions: one session deletes an edge
--     that the other one inserts. PostgreSQL then ends one of the two transactions; call the function again.
--
--     Plan: a session may keep a plan that was made when the edge table was empty. These parts keep every plan fast:
--         enable_seqscan = off  No plan scans all edges.
--         OFFSET 0              The edges of a contact are found through an index, however many contacts there are.
--         NOT IN (SELECT)       A hash of the contacts, never a loop over them for every edge.
--         FULL JOIN             Never a nested loop over the edges.
--         LATERAL, FOR UPDATE   Rows to delete are found one by one, through an index, and locked in the order of the
--                               primary key. The index is the primary key, or another one that begins with the contact
--                               when the plan was made for a nearly empty table.
CREATE OR REPLACE FUNCTION connection_paths.write_differences(
    contact_ids bigint[],
    smaller_ends_only boolean,
    is_first_try boolean
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    changed bigint;
    deleted bigint;
    stale_places pg_catalog.tid[];
BEGIN
    WITH chosen AS MATERIALIZED (
        SELECT DISTINCT c.id FROM unnest(write_differences.contact_ids) AS c (id) WHERE c.id IS NOT NULL
    ),
    present AS (
        SELECT c.id AS contact_a_id, e.contact_b_id, e.strength, e.shared_organizations, e.organization_id, e.date_from,
            e.date_to, e.earlier_days, e.people
        FROM chosen AS c
        CROSS JOIN LATERAL (
            SELECT p.contact_b_id, p.strength, p.shared_organizations, p.organization_id, p.date_from, p.date_to,
                p.earlier_days, p.people
            FROM connection_paths.contact_connections AS p
            WHERE p.contact_a_id = c.id AND p.kind = 'work_overlap'
            ORDER BY p.contact_b_id
            OFFSET 0
        ) AS e
        UNION ALL
        SELECT e.contact_a_id, c.id, e.strength, e.shared_organizations, e.organization_id, e.date_from, e.date_to,
            e.earlier_days, e.people
        FROM chosen AS c
        CROSS JOIN LATERAL (
            SELECT p.contact_a_id, p.strength, p.shared_organizations, p.organization_id, p.date_from, p.date_to,
                p.earlier_days, p.people
            FROM connection_paths.contact_connections AS p
            WHERE p.contact_b_id = c.id AND p.kind = 'work_overlap'
            OFFSET 0
        ) AS e
        WHERE write_differences.smaller_ends_only IS NOT TRUE AND e.contact_a_id NOT IN (SELECT o.id FROM chosen AS o)
    ),
    difference AS MATERIALIZED (
        SELECT
            COALESCE(w.contact_a_id, p.contact_a_id) AS contact_a_id,
            COALESCE(w.contact_b_id, p.contact_b_id) AS contact_b_id,
            w.contact_a_id IS NULL AS is_stale,
            p.contact_a_id IS NULL AS is_missing,
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        FROM connection_paths.wanted_edges(write_differences.contact_ids, write_differences.smaller_ends_only) AS w
        FULL JOIN present AS p ON p.contact_a_id = w.contact_a_id AND p.contact_b_id = w.contact_b_id
        WHERE (
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        ) IS DISTINCT FROM (
            p.strength, p.shared_organizations, p.organization_id, p.date_from, p.date_to, p.earlier_days, p.people
        )
    ),
    stale AS MATERIALIZED (
        SELECT c.place
        FROM (SELECT e.contact_a_id, e.contact_b_id FROM difference AS e WHERE e.is_stale ORDER BY 1, 2) AS d
        CROSS JOIN LATERAL (
            SELECT p.ctid AS place
            FROM connection_paths.contact_connections AS p
            WHERE p.contact_a_id = d.contact_a_id AND p.contact_b_id = d.contact_b_id AND p.kind = 'work_overlap'
            FOR UPDATE
        ) AS c
    ),
    upserted AS (
        INSERT INTO connection_paths.contact_connections AS c
            (contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
                earlier_days, people)
        SELECT d.contact_a_id, d.contact_b_id, 'work_overlap', d.strength, d.shared_organizations, d.organization_id,
            d.date_from, d.date_to, d.earlier_days, d.people
        FROM difference AS d
        WHERE NOT d.is_stale AND NOT (d.is_missing AND write_differences.is_first_try)
        ORDER BY d.is_missing, d.contact_a_id, d.contact_b_id
        ON CONFLICT (contact_a_id, contact_b_id, kind) DO UPDATE
            SET (
                strength, shared_organizations, organization_id, date_from, date_to, earlier_days, people, computed_at
            ) = ROW(
                excluded.strength, excluded.shared_organizations, excluded.organization_id, excluded.date_from,
                excluded.date_to, excluded.earlier_days, excluded.people, excluded.computed_at
            )
            -- another session may have written the same edge since the comparison
            WHERE (
                c.strength, c.shared_organizations, c.organization_id, c.date_from, c.date_to, c.earlier_days, c.people
            ) IS DISTINCT FROM (
                excluded.strength, excluded.shared_organizations, excluded.organization_id, excluded.date_from,
                excluded.date_to, excluded.earlier_days, excluded.people
            )
        RETURNING 1
    ),
    inserted AS (
        INSERT INTO connection_paths.contact_connections
            (contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
                earlier_days, people)
        SELECT d.contact_a_id, d.contact_b_id, 'work_overlap', d.strength, d.shared_organizations, d.organization_id,
            d.date_from, d.date_to, d.earlier_days, d.people
        FROM difference AS d
        WHERE d.is_missing AND write_differences.is_first_try
        ORDER BY d.contact_a_id, d.contact_b_id
        RETURNING 1
    )
    SELECT ARRAY(SELECT s.place FROM stale AS s), (SELECT count(*) FROM upserted) + (SELECT count(*) FROM inserted)
    INTO stale_places, changed;

    -- The rows are locked, so their places stay the same. All rows of one kind are in one partition.
    IF cardinality(stale_places) > 0 THEN
        DELETE FROM connection_paths.contact_connections AS c
        WHERE c.ctid = ANY (stale_places) AND c.kind = 'work_overlap';
        GET DIAGNOSTICS deleted = ROW_COUNT;
        changed := changed + deleted;
    END IF;
    RETURN changed;
END
$function$;

COMMENT ON FUNCTION connection_paths.write_differences(bigint[], boolean, boolean) IS 'Writes the differences between the present and the wanted edges of some contacts; part of write_edges';

REVOKE ALL ON FUNCTION connection_paths.write_differences(bigint[], boolean, boolean) FROM PUBLIC;

-- connection_paths.write_edges(contact_ids, smaller_ends_only)
--
-- Makes the work_overlap edges of some contacts equal to what wanted_edges returns.
--
-- Parameters
--     contact_ids        The contacts. NULL elements and repeated elements are ignored. A contact that no longer exists
--                        loses its edges.
--     smaller_ends_only  true: only the edges whose smaller contact id is in contact_ids. false: every edge that
--                        touches one of the contacts. NULL means false.
-- Returns
--     The number of rows of contact_connections that were inserted, updated or deleted.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     backfill_runs
-- Writes
--     rebuild_replays
-- Used by
--     backfill_contact, refresh_range, sync_changes, refresh_one_by_one
-- Why
--     This function is the only one that writes work_overlap edges to the live table. It never writes edges of another
--     kind. write_differences compares the wanted edges with the present ones and writes only the differences, so a
--     contact whose edges are right costs no WAL, and its rows keep their computed_at.
--
--     Another session may insert an edge that write_differences is about to insert. Then the changes of the first call
--     of write_differences are rolled back, and the second call compares again.
--
--     Rebuild: a batch of a rebuild may have computed a contact before the change that this call handles. So the
--     contacts are also queued for the time after the exchange of the tables.
CREATE OR REPLACE FUNCTION connection_paths.write_edges(contact_ids bigint[], smaller_ends_only boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    changed bigint;
BEGIN
    PERFORM connection_paths.count_organizations(write_edges.contact_ids, only_new => true);
    PERFORM connection_paths.begin_refresh();

    BEGIN
        changed := connection_paths.write_differences(
            write_edges.contact_ids, write_edges.smaller_ends_only, is_first_try => true
        );
    EXCEPTION
        WHEN unique_violation THEN
            changed := connection_paths.write_differences(
                write_edges.contact_ids, write_edges.smaller_ends_only, is_first_try => false
            );
    END;

    PERFORM connection_paths.schedule_refreshes(write_edges.contact_ids);
    INSERT INTO connection_paths.rebuild_replays (contact_id)
    SELECT c.id
    FROM unnest(write_edges.contact_ids) AS c (id)
    WHERE c.id IS NOT NULL
        AND EXISTS (SELECT FROM connection_paths.backfill_runs AS r WHERE r.is_active AND r.strategy = 'rebuild');

    RETURN changed;
END
$function$;

COMMENT ON FUNCTION connection_paths.write_edges(bigint[], boolean) IS 'Makes the work_overlap edges of some contacts what wanted_edges returns; the only writer of live edges; returns how many rows changed';

REVOKE ALL ON FUNCTION connection_paths.write_edges(bigint[], boolean) FROM PUBLIC;

-- connection_paths.backfill_contact(contact_id)
--
-- Refreshes the work_overlap edges of one contact.
--
-- Parameters
--     contact_id  The contact. A contact that no longer exists loses its edges. Required.
-- Returns
--     The number of rows of contact_connections that were inserted, updated or deleted.
-- Errors
--     22004  contact_id is NULL.
--     25001  The transaction is not READ COMMITTED.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     refresh_one_by_one, applications
-- Why
--     write_edges does the work. Calls for different contacts may run at the same time.
CREATE OR REPLACE FUNCTION connection_paths.backfill_contact(contact_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF contact_id IS NULL THEN
        RAISE EXCEPTION 'contact_id must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the id of a contact.';
    END IF;
    RETURN connection_paths.write_edges(ARRAY[backfill_contact.contact_id]);
END
$function$;

COMMENT ON FUNCTION connection_paths.backfill_contact(bigint) IS 'Refreshes one contact''s work_overlap edges; returns how many rows changed';

REVOKE ALL ON FUNCTION connection_paths.backfill_contact(bigint) FROM PUBLIC;

-- connection_paths.edge_ends(above_contact_id, upto_contact_id)
--
-- Lists the contacts of a range of ids that are the smaller end of an edge.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     contact_id  A contact that is the smaller end of an edge of any kind. Each contact once.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     contacts_to_refresh, split_batch, sql/queries/edges/verify_sample.sql
-- Why
--     A loose index scan: one index probe for each contact instead of one row for each edge. PostgreSQL inlines this
--     function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.edge_ends(
    above_contact_id bigint DEFAULT NULL,
    upto_contact_id bigint DEFAULT NULL
)
RETURNS TABLE (contact_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    WITH RECURSIVE smaller_ends (contact_id) AS (
        SELECT min(c.contact_a_id)
        FROM connection_paths.contact_connections AS c
        WHERE edge_ends.above_contact_id IS NULL OR c.contact_a_id > edge_ends.above_contact_id
        UNION ALL
        SELECT (
            SELECT min(c.contact_a_id)
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_a_id > s.contact_id
        )
        FROM smaller_ends AS s
        WHERE s.contact_id IS NOT NULL
            AND (edge_ends.upto_contact_id IS NULL OR s.contact_id < edge_ends.upto_contact_id)
    )
    SELECT s.contact_id
    FROM smaller_ends AS s
    WHERE s.contact_id IS NOT NULL
        AND (edge_ends.upto_contact_id IS NULL OR s.contact_id <= edge_ends.upto_contact_id);
END;

COMMENT ON FUNCTION connection_paths.edge_ends(bigint, bigint) IS 'The contacts of a range that are the smaller end of an edge';

REVOKE ALL ON FUNCTION connection_paths.edge_ends(bigint, bigint) FROM PUBLIC;

-- connection_paths.stored_overlaps(contact_ids, smaller_ends_only)
--
-- Gives the work_overlap edges of some contacts, as they are stored.
--
-- Parameters
--     contact_ids        The contacts. Required.
--     smaller_ends_only  true: only the edges whose smaller contact id is in contact_ids.
-- Returns
--     One row per edge. On one server, an edge between two of the contacts comes twice.
--     contact_a_id, contact_b_id, strength, shared_organizations, organization_id, date_from, date_to, earlier_days,
--     people
--         The columns of contact_connections.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     sql/queries/edges/verify_edges.sql
-- Why
--     Each arm is a join, so the edges of a contact are found through an index, however many contacts there are.
--     PostgreSQL inlines this function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.stored_overlaps(contact_ids bigint[], smaller_ends_only boolean)
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
    strength smallint,
    shared_organizations smallint,
    organization_id bigint,
    date_from date,
    date_to date,
    earlier_days integer,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT e.contact_a_id, e.contact_b_id, e.strength, e.shared_organizations, e.organization_id, e.date_from, e.date_to,
        e.earlier_days, e.people
    FROM unnest(stored_overlaps.contact_ids) AS c (id)
    JOIN connection_paths.contact_connections AS e ON e.contact_a_id = c.id
    WHERE e.kind = 'work_overlap'
    UNION ALL
    SELECT e.contact_a_id, e.contact_b_id, e.strength, e.shared_organizations, e.organization_id, e.date_from, e.date_to,
        e.earlier_days, e.people
    FROM unnest(stored_overlaps.contact_ids) AS c (id)
    JOIN connection_paths.contact_connections AS e ON e.contact_b_id = c.id
    WHERE e.kind = 'work_overlap' AND NOT stored_overlaps.smaller_ends_only;
END;

COMMENT ON FUNCTION connection_paths.stored_overlaps(bigint[], boolean) IS 'The work_overlap edges of some contacts, as they are stored';

REVOKE ALL ON FUNCTION connection_paths.stored_overlaps(bigint[], boolean) FROM PUBLIC;

-- connection_paths.contacts_to_refresh(above_contact_id, upto_contact_id)
--
-- Lists the contacts of a range of ids that may have edges to insert, update or delete.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     contact_id  A contact that has usable work experiences, or that is the smaller end of an edge. Each contact once.
-- Errors
--     none
-- Reads
--     employments
-- Writes
--     none
-- Used by
--     queue_affected_contacts, refresh_range
-- Why
--     An edge may have to be deleted because both of its contacts have lost their work experiences. Only the edge shows
--     that these contacts need a refresh. PostgreSQL inlines this function into the calling query and plans both
--     together.
CREATE OR REPLACE FUNCTION connection_paths.contacts_to_refresh(
    above_contact_id bigint DEFAULT NULL,
    upto_contact_id bigint DEFAULT NULL
)
RETURNS TABLE (contact_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    SELECT e.contact_id
    FROM connection_paths.employments AS e
    WHERE e.contact_id IS NOT NULL
        AND (contacts_to_refresh.above_contact_id IS NULL OR e.contact_id > contacts_to_refresh.above_contact_id)
        AND (contacts_to_refresh.upto_contact_id IS NULL OR e.contact_id <= contacts_to_refresh.upto_contact_id)
    UNION
    SELECT s.contact_id
    FROM connection_paths.edge_ends(contacts_to_refresh.above_contact_id, contacts_to_refresh.upto_contact_id) AS s;
END;

COMMENT ON FUNCTION connection_paths.contacts_to_refresh(bigint, bigint) IS 'The contacts of a range that have usable work experiences or are the smaller end of an edge';

REVOKE ALL ON FUNCTION connection_paths.contacts_to_refresh(bigint, bigint) FROM PUBLIC;

-- connection_paths.refresh_range(above_contact_id, upto_contact_id)
--
-- Refreshes the work_overlap edges whose smaller contact id is in a range: one batch of an in-place backfill.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     The number of rows of contact_connections that were inserted, updated or deleted.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     do_batch, sql/queries/runs/try_empty_batch.sql
-- Why
--     write_edges does the work. Every pair of contacts belongs to one batch of a run, so two batches never write the
--     same row. A sync at the same time may write the same row; then one of the two sessions waits.
CREATE OR REPLACE FUNCTION connection_paths.refresh_range(above_contact_id bigint, upto_contact_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET jit = off
AS $function$
BEGIN
    RETURN connection_paths.write_edges(
        ARRAY(
            SELECT c.contact_id
            FROM connection_paths.contacts_to_refresh(
                refresh_range.above_contact_id, refresh_range.upto_contact_id
            ) AS c
        ),
        smaller_ends_only => true
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.refresh_range(bigint, bigint) IS 'A batch of an in-place backfill: refreshes the edges whose smaller end is in a range of contact ids';

REVOKE ALL ON FUNCTION connection_paths.refresh_range(bigint, bigint) FROM PUBLIC;

-- connection_paths.rebuilt_edges(above_contact_id, upto_contact_id)
--
-- Computes the edges whose smaller contact id is in a range, for a batch of a rebuild.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     contact_a_id     The smaller contact id of the edge.
--     contact_b_id     The greater contact id of the edge.
--     organization_id  The organization where both worked.
--     date_from        The first day of the overlap.
--     date_to          The last day of the overlap. NULL: both work experiences continue.
--     strength         The strength of the edge: see edge_strength.
--     shared_organizations  How many organizations the two shared.
--     earlier_days     How many days before date_from the two had in common: see overlap_days.
--     people           The size class of the smallest organization that the two shared.
-- Errors
--     none
-- Reads
--     live_contacts, rebuild_missing_contacts
-- Writes
--     none
-- Used by
--     rebuild_range
-- Why
--     The function does not look up each greater contact, which would take half of the time of a rebuild. It uses the
--     list of missing contacts that was made when the rebuild began. copy_remaining_edges queues the contacts that were
--     inserted or deleted since then. PostgreSQL inlines this function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.rebuilt_edges(above_contact_id bigint, upto_contact_id bigint)
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
    organization_id bigint,
    date_from date,
    date_to date,
    strength smallint,
    shared_organizations smallint,
    earlier_days integer,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    SELECT
        c.id,
        w.neighbour_id,
        w.organization_id,
        w.date_from,
        w.date_to,
        connection_paths.edge_strength(
            connection_paths.overlap_days(w.date_from, w.date_to, w.earlier_days), w.people, w.shared_organizations
        ),
        w.shared_organizations,
        w.earlier_days,
        w.people
    FROM connection_paths.live_contacts AS c
    CROSS JOIN LATERAL connection_paths.possible_overlaps(c.id, neighbours_from => c.id) AS w
    WHERE w.neighbour_id NOT IN (SELECT m.contact_id FROM connection_paths.rebuild_missing_contacts AS m)
        AND (rebuilt_edges.above_contact_id IS NULL OR c.id > rebuilt_edges.above_contact_id)
        AND (rebuilt_edges.upto_contact_id IS NULL OR c.id <= rebuilt_edges.upto_contact_id);
END;

COMMENT ON FUNCTION connection_paths.rebuilt_edges(bigint, bigint) IS 'The edges whose smaller end is in a range of contact ids, as a rebuild computes them; part of rebuild_range';

REVOKE ALL ON FUNCTION connection_paths.rebuilt_edges(bigint, bigint) FROM PUBLIC;

-- connection_paths.live_overlaps(above_contact_id, upto_contact_id)
--
-- Gives the stored work_overlap edges whose smaller contact id is in a range.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     One row per edge: the columns of contact_connections.
--     contact_a_id, contact_b_id, strength, shared_organizations, organization_id, date_from, date_to, earlier_days,
--     people, computed_at
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     rebuild_range
-- Why
--     PostgreSQL inlines this function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.live_overlaps(above_contact_id bigint, upto_contact_id bigint)
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
    strength smallint,
    shared_organizations smallint,
    organization_id bigint,
    date_from date,
    date_to date,
    earlier_days integer,
    people integer,
    computed_at timestamptz
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    SELECT c.contact_a_id, c.contact_b_id, c.strength, c.shared_organizations, c.organization_id, c.date_from, c.date_to,
        c.earlier_days, c.people, c.computed_at
    FROM connection_paths.contact_connections AS c
    WHERE c.kind = 'work_overlap'
        AND (live_overlaps.above_contact_id IS NULL OR c.contact_a_id > live_overlaps.above_contact_id)
        AND (live_overlaps.upto_contact_id IS NULL OR c.contact_a_id <= live_overlaps.upto_contact_id);
END;

COMMENT ON FUNCTION connection_paths.live_overlaps(bigint, bigint) IS 'The stored work_overlap edges whose smaller contact id is in a range; part of rebuild_range';

REVOKE ALL ON FUNCTION connection_paths.live_overlaps(bigint, bigint) FROM PUBLIC;

-- connection_paths.rebuild_range(above_contact_id, upto_contact_id)
--
-- Inserts the edges whose smaller contact id is in a range into contact_connections_next: one batch of a rebuild.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     The number of rows that were inserted.
-- Errors
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     contact_connections_live, employments, known_organizations, organization_sizes
-- Writes
--     contact_connections_next
-- Used by
--     do_batch, sql/queries/runs/try_empty_batch.sql
-- Why
--     Every pair of contacts belongs to one batch of a run. So two batches never insert the same row, and the table
--     needs no index yet.
--
--     A row that equals its live edge keeps the computed_at of the live edge, because computed_at is the time of the
--     last change. The comparison costs 40 % of the time of a batch, so it is left out while there are no live edges.
--     Live edges that change later are queued for the time after the exchange.
CREATE OR REPLACE FUNCTION connection_paths.rebuild_range(above_contact_id bigint, upto_contact_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    -- a variable: in a statement, the function would be called for each work experience
    begun_before CONSTANT date := CURRENT_DATE - connection_paths.longest_wait();
    inserted bigint;
BEGIN
    PERFORM connection_paths.require_sources();
    PERFORM connection_paths.count_organizations(
        ARRAY(
            SELECT e.contact_id
            FROM connection_paths.employments AS e
            WHERE NOT EXISTS (
                    SELECT FROM connection_paths.organization_sizes AS s WHERE s.organization_id = e.organization_id
                )
                AND EXISTS (SELECT FROM connection_paths.known_organizations AS o WHERE o.id = e.organization_id)
                AND (rebuild_range.above_contact_id IS NULL OR e.contact_id > rebuild_range.above_contact_id)
                AND (rebuild_range.upto_contact_id IS NULL OR e.contact_id <= rebuild_range.upto_contact_id)
        ),
        only_new => true
    );
    IF NOT EXISTS ( -- LIMIT: otherwise Citus copies every edge to the coordinator
        SELECT 1 FROM connection_paths.contact_connections_live AS c WHERE c.kind = 'work_overlap' LIMIT 1
    ) THEN
        INSERT INTO connection_paths.contact_connections_next
            (contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
                earlier_days, people)
        SELECT
            w.contact_a_id,
            w.contact_b_id,
            'work_overlap',
            w.strength,
            w.shared_organizations,
            w.organization_id,
            w.date_from,
            w.date_to,
            w.earlier_days,
            w.people
        FROM connection_paths.rebuilt_edges(rebuild_range.above_contact_id, rebuild_range.upto_contact_id) AS w;
    ELSE
        INSERT INTO connection_paths.contact_connections_next
            (contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
                earlier_days, people, computed_at)
        SELECT
            e.contact_a_id,
            e.contact_b_id,
            'work_overlap',
            e.strength,
            e.shared_organizations,
            e.organization_id,
            e.date_from,
            e.date_to,
            e.earlier_days,
            e.people,
            e.computed_at
        FROM (
            SELECT
                w.contact_a_id,
                w.contact_b_id,
                w.strength,
                w.shared_organizations,
                w.organization_id,
                w.date_from,
                w.date_to,
                w.earlier_days,
                w.people,
                CASE
                    WHEN (
                        p.strength, p.shared_organizations, p.organization_id, p.date_from, p.date_to, p.earlier_days,
                        p.people
                    ) IS NOT DISTINCT FROM (
                        w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days,
                        w.people
                    )
                        THEN p.computed_at
                    ELSE now()
                END AS computed_at
            FROM connection_paths.rebuilt_edges(rebuild_range.above_contact_id, rebuild_range.upto_contact_id) AS w
            -- A FULL JOIN cannot become a nested loop over the batch. OFFSET 0 keeps the planner from changing it
            -- to a LEFT JOIN.
            FULL JOIN connection_paths.live_overlaps(rebuild_range.above_contact_id, rebuild_range.upto_contact_id) AS p
                ON p.contact_a_id = w.contact_a_id AND p.contact_b_id = w.contact_b_id
            OFFSET 0
        ) AS e
        WHERE e.contact_a_id IS NOT NULL;
    END IF;

    GET DIAGNOSTICS inserted = ROW_COUNT;
    PERFORM connection_paths.schedule_refreshes(ARRAY(
        SELECT DISTINCT e.contact_id
        FROM connection_paths.employments AS e
        WHERE e.date_from > begun_before
            AND (rebuild_range.above_contact_id IS NULL OR e.contact_id > rebuild_range.above_contact_id)
            AND (rebuild_range.upto_contact_id IS NULL OR e.contact_id <= rebuild_range.upto_contact_id)
    ));
    RETURN inserted;
END
$function$;

COMMENT ON FUNCTION connection_paths.rebuild_range(bigint, bigint) IS 'A batch of a rebuild: the edges whose smaller end is in a range of contact ids, into contact_connections_next';

REVOKE ALL ON FUNCTION connection_paths.rebuild_range(bigint, bigint) FROM PUBLIC;

-- connection_paths.register_worker()
--
-- Makes this session a worker, which counts as alive until the session ends.
--
-- Parameters
--     none
-- Returns
--     The number of the worker. A second call in the same session returns the same number.
-- Errors
--     42501  The role of the session may not write to backfill_batches, so lock_holders would not count its lock.
-- Reads
--     backfill_batches, backfill_runs
-- Writes
--     none
-- Used by
--     claim_batch, claim_finish, orchestrator/runs/driver.py
-- Why
--     The session holds an advisory lock for this number. PostgreSQL releases the lock when the session ends for any
--     reason. Only this lock shows that the worker is alive, so no heartbeat and no timeout is needed. A pooler that
--     shares sessions between clients would give the lock to another client. So workers connect directly to the server.
--
--     A restore may bring back a claimed batch, but not the position of the sequence. So the function skips a number
--     that a claimed batch or an unfinished run contains, and a number whose lock another session holds.
CREATE OR REPLACE FUNCTION connection_paths.register_worker()
RETURNS integer
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own_id integer;
BEGIN
    SELECT h.id
    INTO own_id
    FROM connection_paths.lock_holders('worker') AS h
    WHERE h.pid = pg_backend_pid();
    IF FOUND THEN
        RETURN own_id;
    END IF;

    LOOP -- the sequence begins again after two billion numbers
        own_id := nextval('connection_paths.backfill_worker_ids');
        CONTINUE WHEN EXISTS (
                SELECT
                FROM connection_paths.backfill_batches AS b
                WHERE b.status = 'claimed' AND b.worker_id = own_id
            )
            OR EXISTS (
                SELECT
                FROM connection_paths.backfill_runs AS r
                WHERE r.finishing_worker_id = own_id AND r.phase <> 'finished'
            );
        EXIT WHEN pg_try_advisory_lock(connection_paths.advisory_key('worker', own_id));
    END LOOP;
    IF NOT EXISTS (
        SELECT FROM connection_paths.lock_holders('worker') AS h WHERE h.pid = pg_backend_pid()
    ) THEN
        PERFORM pg_catalog.pg_advisory_unlock(connection_paths.advisory_key('worker', own_id));
        RAISE EXCEPTION 'role %, as which this session has connected, may not write to backfill_batches', session_user
            USING ERRCODE = 'insufficient_privilege', HINT = 'Connect as a role that may, or as a member of one.';
    END IF;
    RETURN own_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.register_worker() IS 'Makes this session a worker, which is alive while the session holds an advisory lock; returns its number';

REVOKE ALL ON FUNCTION connection_paths.register_worker() FROM PUBLIC;

-- connection_paths.claim_finish(run_id)
--
-- Assigns the last steps of a run to this session, unless another living worker has them.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when this session has to do the last steps. They stay assigned to it until the session ends.
--     false when another living worker has them, or when the run is paused, finished or does not exist.
-- Errors
--     42501  The role of the session may not write to backfill_batches.
-- Reads
--     backfill_runs
-- Writes
--     backfill_runs
-- Used by
--     orchestrator/runs/driver.py
-- Why
--     The last steps are: clean up after a cancellation; for a rebuild, build indexes and exchange the tables; then
--     finish_run. The function stores the number of the worker in the row of the run, so the caller needs the privilege
--     to update backfill_runs. An advisory lock alone would not be enough, because any role that can connect can take
--     one. When the stored worker has died, another one may take its place.
CREATE OR REPLACE FUNCTION connection_paths.claim_finish(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own_id CONSTANT integer := connection_paths.register_worker();
    finisher integer;
BEGIN
    SELECT r.finishing_worker_id
    INTO finisher
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = claim_finish.run_id AND r.status IN ('running', 'cancelled') AND r.phase <> 'finished'
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF finisher = own_id THEN
        RETURN true;
    END IF;
    IF finisher IN (SELECT h.id FROM connection_paths.lock_holders('worker') AS h) THEN
        RETURN false;
    END IF;
    UPDATE connection_paths.backfill_runs AS r SET finishing_worker_id = own_id WHERE r.run_id = claim_finish.run_id;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.claim_finish(bigint) IS 'Assigns the last steps of a run to this session, unless another living worker has them';

REVOKE ALL ON FUNCTION connection_paths.claim_finish(bigint) FROM PUBLIC;

-- connection_paths.require_rebuild(run_id)
--
-- Raises an error when the table that a rebuild fills does not exist.
--
-- Parameters
--     run_id  The run. No error for a run that does not exist, is over, has exchanged its table or is no rebuild.
-- Returns
--     Nothing.
-- Errors
--     CP004  contact_connections_next does not exist.
-- Reads
--     backfill_runs, contact_connections_next
-- Writes
--     none
-- Used by
--     copy_remaining_edges, do_batch, orchestrator/rebuild/rebuild.py, orchestrator/runs/workers.py
-- Why
--     A restore of data without definitions brings back the row of a run, but not contact_connections_next. Such a run
--     cannot continue. Cancel it by cancel_run, or call `orchestrator backfill`, which cancels it and begins another.
CREATE OR REPLACE FUNCTION connection_paths.require_rebuild(run_id bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_catalog.to_regclass('connection_paths.contact_connections_next') IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = require_rebuild.run_id
        AND r.strategy = 'rebuild'
        AND r.is_active
        AND r.phase IN ('filling', 'indexing')
    FOR SHARE; -- waits for a session that exchanges or cancels the run now
    IF FOUND THEN
        RAISE EXCEPTION 'run % fills contact_connections_next, and that table does not exist', run_id
            USING ERRCODE = 'CP004', HINT = 'Call cancel_run for this run, then create_run.';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_rebuild(bigint) IS 'Raises an error when the table that an active rebuild fills does not exist';

REVOKE ALL ON FUNCTION connection_paths.require_rebuild(bigint) FROM PUBLIC;

-- connection_paths.set_aside_batch(run_id, batch_id, contact_id, error)
--
-- Sets a batch of at most one contact aside: the run continues without it.
--
-- Parameters
--     run_id      The run. Required.
--     batch_id    The batch, which is claimed. Required.
--     contact_id  The contact whose edges cannot be computed. NULL: the range of the batch has no contact.
--     error       The reason: the message of the server, or how many workers died.
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     backfill_batches
-- Used by
--     split_batch
CREATE OR REPLACE FUNCTION connection_paths.set_aside_batch(
    run_id bigint,
    batch_id bigint,
    contact_id bigint,
    error text
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE connection_paths.backfill_batches AS b
    SET status = 'set aside',
        finished_at = clock_timestamp(),
        failures = b.failures + 1,
        edges_changed = 0,
        contact_id = set_aside_batch.contact_id,
        error = set_aside_batch.error
    WHERE b.run_id = set_aside_batch.run_id AND b.batch_id = set_aside_batch.batch_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.set_aside_batch(bigint, bigint, bigint, text) IS 'Sets a batch of a single contact aside with its error; part of split_batch';

REVOKE ALL ON FUNCTION connection_paths.set_aside_batch(bigint, bigint, bigint, text) FROM PUBLIC;

-- connection_paths.split_batch(run_id, batch_id, error)
--
-- Splits a batch that fails into two halves, or sets it aside when it has at most one contact.
--
-- Parameters
--     run_id    The run. The caller has locked its row FOR NO KEY UPDATE. Required.
--     batch_id  The batch, which is claimed. The caller has locked its row after the row of the run. Required.
--     error     The reason: the message of the server, or how many workers died.
-- Returns
--     'split': both halves are pending. The lower half keeps the id of the batch, its attempts and its failures. The
--     upper half is a new batch. deaths and retries of both are 0.
--     'set aside': the batch had one contact or none, and the run continues without it.
-- Errors
--     none
-- Reads
--     backfill_batches, live_contacts
-- Writes
--     backfill_batches
-- Used by
--     claim_batch, fail_batch
-- Why
--     When the halves are split again and again, the contact that causes the error is alone in a batch at the end.
--     The function splits at the middle of the contacts that exist or are the smaller end of an edge.
--
--     The lock of the run's row makes sure that one split is committed before the next one begins. The foreign key
--     backfill_batches_no_gap is checked at COMMIT: the lower bound of a batch must be the upper bound of another. It
--     would not find a bound that another open transaction has written.
CREATE OR REPLACE FUNCTION connection_paths.split_batch(run_id bigint, batch_id bigint, error text)
RETURNS text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    batch record;
    contacts bigint[];
    middle bigint;
BEGIN
    SELECT b.above_contact_id, b.upto_contact_id, b.predicted_edges
    INTO batch
    FROM connection_paths.backfill_batches AS b
    WHERE b.run_id = split_batch.run_id AND b.batch_id = split_batch.batch_id;

    contacts := ARRAY(
        SELECT c.id
        FROM connection_paths.live_contacts AS c
        WHERE (batch.above_contact_id IS NULL OR c.id > batch.above_contact_id)
            AND (batch.upto_contact_id IS NULL OR c.id <= batch.upto_contact_id)
        UNION
        SELECT e.contact_id
        FROM connection_paths.edge_ends(batch.above_contact_id, batch.upto_contact_id) AS e
        ORDER BY 1
    );
    IF cardinality(contacts) < 2 THEN
        PERFORM connection_paths.set_aside_batch(
            split_batch.run_id, split_batch.batch_id, contacts[1], split_batch.error
        );
        RETURN 'set aside';
    END IF;

    middle := contacts[cardinality(contacts) / 2];
    UPDATE connection_paths.backfill_batches AS b
    SET status = 'pending',
        upto_contact_id = middle,
        predicted_edges = batch.predicted_edges / 2,
        failures = b.failures + 1,
        deaths = 0,
        retries = 0, -- attempts stays, so that the claim that failed remains invalid
        error = split_batch.error
    WHERE b.run_id = split_batch.run_id AND b.batch_id = split_batch.batch_id;
    INSERT INTO connection_paths.backfill_batches
        (run_id, above_contact_id, upto_contact_id, predicted_edges, error)
    VALUES (
        split_batch.run_id,
        middle,
        batch.upto_contact_id,
        batch.predicted_edges - batch.predicted_edges / 2,
        split_batch.error
    );
    RETURN 'split';
END
$function$;

COMMENT ON FUNCTION connection_paths.split_batch(bigint, bigint, text) IS 'Splits a batch that fails into two halves, or sets its only contact aside';

REVOKE ALL ON FUNCTION connection_paths.split_batch(bigint, bigint, text) FROM PUBLIC;

-- connection_paths.claim_batch(run_id)
--
-- Assigns to this session the next batch of a run that no living worker holds.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     One row, or no row when this session can claim nothing now: the run does not exist, is paused or is over; or
--     max_workers other workers already hold batches; or living workers hold all remaining batches.
--     batch_id          The batch. Pass it to do_batch and fail_batch.
--     attempt           How often the batch has been claimed. Pass it to do_batch and fail_batch.
--     above_contact_id  The batch begins above this contact id. NULL: no lower bound.
--     upto_contact_id   The batch ends with this contact id. NULL: no upper bound.
--     predicted_edges   About how many edges the batch has.
-- Errors
--     42501  The role of the session may not write to backfill_batches.
-- Reads
--     backfill_runs, backfill_batches
-- Writes
--     backfill_batches
-- Used by
--     orchestrator/runs/workers.py
-- Why
--     Commit the claim before you call do_batch. Otherwise a batch that kills its server process would also roll back
--     its claim, and nobody would see that a worker died. After five workers have died with a batch, this function
--     calls split_batch, as fail_batch does after an error.
--
--     When another worker claims a batch again, attempt increases. do_batch and fail_batch reject the older attempt, so
--     a worker that has lost its batch writes nothing.
--
--     The function locks the row of the run, so sessions claim batches of one run one after another. It skips a batch
--     whose row is locked, because the session of a dead worker may not have ended yet.
CREATE OR REPLACE FUNCTION connection_paths.claim_batch(run_id bigint)
RETURNS TABLE (
    batch_id bigint,
    attempt integer,
    above_contact_id bigint,
    upto_contact_id bigint,
    predicted_edges bigint
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    deaths_allowed CONSTANT integer := 5;
    own_id CONSTANT integer := connection_paths.register_worker();
    living integer[];
    run record;
    batch record;
    died boolean;
BEGIN
    SELECT r.status, r.max_workers
    INTO run
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = claim_batch.run_id
    FOR NO KEY UPDATE;
    IF NOT FOUND OR run.status <> 'running' THEN
        RETURN;
    END IF;

    living := ARRAY(SELECT h.id::integer FROM connection_paths.lock_holders('worker') AS h);
    IF run.max_workers <= (
        SELECT count(*)
        FROM connection_paths.backfill_batches AS b
        WHERE b.run_id = claim_batch.run_id
            AND b.status = 'claimed'
            AND b.worker_id = ANY (living)
            AND b.worker_id <> own_id
    ) THEN
        RETURN;
    END IF;

    LOOP
        SELECT b.*
        INTO batch
        FROM connection_paths.backfill_batches AS b
        WHERE b.run_id = claim_batch.run_id
            AND (b.status = 'pending' OR b.status = 'claimed' AND (b.worker_id = ANY (living)) IS NOT TRUE)
        ORDER BY b.above_contact_id NULLS FIRST
        LIMIT 1
        FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        died := batch.status = 'claimed';
        EXIT WHEN NOT died OR batch.deaths + 1 < deaths_allowed;

        PERFORM connection_paths.split_batch(
            claim_batch.run_id, batch.batch_id, deaths_allowed || ' workers died with this batch'
        );
    END LOOP;

    RETURN QUERY
    UPDATE connection_paths.backfill_batches AS b
    SET status = 'claimed',
        attempts = b.attempts + 1,
        deaths = b.deaths + died::integer,
        worker_id = own_id,
        claimed_at = clock_timestamp()
    WHERE b.run_id = claim_batch.run_id AND b.batch_id = batch.batch_id
    RETURNING b.batch_id, b.attempts, b.above_contact_id, b.upto_contact_id, b.predicted_edges;
END
$function$;

COMMENT ON FUNCTION connection_paths.claim_batch(bigint) IS 'Claims the next batch of a run for this session; no row when there is nothing to claim now';

REVOKE ALL ON FUNCTION connection_paths.claim_batch(bigint) FROM PUBLIC;

-- connection_paths.do_batch(run_id, batch_id, attempt)
--
-- Computes and writes the edges of a claimed batch, and marks the batch as done in the same transaction.
--
-- Parameters
--     run_id    The run. Required.
--     batch_id  The batch that claim_batch returned. Required.
--     attempt   The attempt that claim_batch returned. Required.
-- Returns
--     The number of edges that were inserted, updated or deleted.
-- Errors
--     25001  The run is a rebuild and the transaction is not READ COMMITTED.
--     CP001  The caller does not hold the batch: it never claimed it, another worker has claimed it since, or the run
--            is over.
--     CP004  The table that the rebuild fills does not exist.
-- Reads
--     backfill_runs, backfill_batches, contact_connections_next
-- Writes
--     backfill_batches
-- Used by
--     orchestrator/runs/workers.py
-- Why
--     One transaction writes the edges and the status of the batch. So the counters of a batch always match its edges,
--     and each batch is done exactly once.
--
--     After CP001 the caller claims another batch. After CP004 the caller cancels the run. Every other error comes from
--     the work on the batch, for example from a trigger of the application. The caller then calls fail_batch.
CREATE OR REPLACE FUNCTION connection_paths.do_batch(run_id bigint, batch_id bigint, attempt integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run_strategy text;
    batch record;
    edges bigint;
BEGIN
    SELECT r.strategy
    INTO run_strategy
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = do_batch.run_id;
    IF run_strategy = 'rebuild' THEN
        PERFORM connection_paths.require_read_committed();
        PERFORM connection_paths.require_rebuild(do_batch.run_id);
        -- This lock comes before the query that reads the status of the run. While it is held, cancel_run cannot drop
        -- the table, so no other run can create a table of the same name.
        LOCK TABLE connection_paths.contact_connections_next IN ROW EXCLUSIVE MODE;
    END IF;

    SELECT b.above_contact_id, b.upto_contact_id
    INTO batch
    FROM connection_paths.backfill_batches AS b
    JOIN connection_paths.backfill_runs AS r ON r.run_id = b.run_id
    WHERE b.run_id = do_batch.run_id
        AND b.batch_id = do_batch.batch_id
        AND b.attempts = do_batch.attempt
        AND b.status = 'claimed'
        AND r.is_active
    FOR UPDATE OF b;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'batch % of run % is not claimed under attempt %', batch_id, run_id, attempt
            USING ERRCODE = 'CP001', HINT = 'Claim another batch: claim_batch.';
    END IF;

    IF run_strategy = 'rebuild' THEN
        edges := connection_paths.rebuild_range(batch.above_contact_id, batch.upto_contact_id);
    ELSE
        edges := connection_paths.refresh_range(batch.above_contact_id, batch.upto_contact_id);
    END IF;

    UPDATE connection_paths.backfill_batches AS b
    SET status = 'done',
        edges_changed = edges,
        finished_at = clock_timestamp(),
        error = NULL
    WHERE b.run_id = do_batch.run_id AND b.batch_id = do_batch.batch_id;
    RETURN edges;
END
$function$;

COMMENT ON FUNCTION connection_paths.do_batch(bigint, bigint, integer) IS 'Computes and writes the edges of a claimed batch and marks it as done; returns how many edges changed';

REVOKE ALL ON FUNCTION connection_paths.do_batch(bigint, bigint, integer) FROM PUBLIC;

-- connection_paths.fail_batch(run_id, batch_id, attempt, error, is_transient)
--
-- Records that do_batch failed, and retries the batch, splits it, or sets its only contact aside.
--
-- Parameters
--     run_id        The run. Required.
--     batch_id      The batch that claim_batch returned. Required.
--     attempt       The attempt that claim_batch returned. Required.
--     error         The message of the server.
--     is_transient  true: a retry may succeed, for example after a deadlock or a lock timeout. The batch is then tried
--                   five times before it is split. false or NULL: the batch is split at once.
-- Returns
--     'retry': the batch is pending again. 'split': both halves of the batch are pending. 'set aside': the batch had at
--     most one contact, and the run continues without it.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     CP001  The caller does not hold the batch: it never claimed it, or another worker has claimed it since.
-- Reads
--     backfill_runs, backfill_batches
-- Writes
--     backfill_batches
-- Used by
--     orchestrator/runs/workers.py
-- Why
--     The function locks the row of the run before the row of the batch, as claim_batch does. So the batches of a run
--     are split one after another; split_batch explains why.
CREATE OR REPLACE FUNCTION connection_paths.fail_batch(
    run_id bigint,
    batch_id bigint,
    attempt integer,
    error text,
    is_transient boolean
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    tries_allowed CONSTANT integer := 5;
    retries_so_far integer;
BEGIN
    PERFORM connection_paths.require_read_committed();
    PERFORM FROM connection_paths.backfill_runs AS r WHERE r.run_id = fail_batch.run_id FOR NO KEY UPDATE;

    SELECT b.retries
    INTO retries_so_far
    FROM connection_paths.backfill_batches AS b
    WHERE b.run_id = fail_batch.run_id
        AND b.batch_id = fail_batch.batch_id
        AND b.attempts = fail_batch.attempt
        AND b.status = 'claimed'
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'batch % of run % is not claimed under attempt %', batch_id, run_id, attempt
            USING ERRCODE = 'CP001', HINT = 'Claim another batch: claim_batch.';
    END IF;

    IF fail_batch.is_transient AND retries_so_far + 1 < tries_allowed THEN
        UPDATE connection_paths.backfill_batches AS b
        SET status = 'pending',
            failures = b.failures + 1,
            retries = b.retries + 1,
            error = fail_batch.error
        WHERE b.run_id = fail_batch.run_id AND b.batch_id = fail_batch.batch_id;
        RETURN 'retry';
    END IF;
    RETURN connection_paths.split_batch(fail_batch.run_id, fail_batch.batch_id, fail_batch.error);
END
$function$;

COMMENT ON FUNCTION connection_paths.fail_batch(bigint, bigint, integer, text, boolean) IS 'Records that a batch failed: it is retried, split, or, with a single contact, set aside';

REVOKE ALL ON FUNCTION connection_paths.fail_batch(bigint, bigint, integer, text, boolean) FROM PUBLIC;

-- connection_paths.require_batches_done(run_id)
--
-- Raises an error unless every batch of a run is done or set aside.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     Nothing.
-- Errors
--     02000  There is no such run.
--     CP002  The run has batches that are pending or claimed.
-- Reads
--     backfill_runs, backfill_batches
-- Writes
--     none
-- Used by
--     copy_remaining_edges, finish_run
CREATE OR REPLACE FUNCTION connection_paths.require_batches_done(run_id bigint)
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    open_batches bigint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM connection_paths.backfill_runs AS r WHERE r.run_id = require_batches_done.run_id
    ) THEN
        RAISE EXCEPTION 'there is no run %', run_id
            USING ERRCODE = '02000', HINT = 'The view backfill_progress lists all runs.';
    END IF;
    SELECT count(*)
    INTO open_batches
    FROM connection_paths.backfill_batches AS b
    WHERE b.run_id = require_batches_done.run_id AND b.status IN ('pending', 'claimed');
    IF open_batches > 0 THEN
        RAISE EXCEPTION 'run % has % batches to do', run_id, open_batches
            USING ERRCODE = 'CP002', HINT = 'Claim and do them. After a crash, batches that were done may be pending again.';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_batches_done(bigint) IS 'Raises an error unless every batch of a run is done or set aside';

REVOKE ALL ON FUNCTION connection_paths.require_batches_done(bigint) FROM PUBLIC;

-- connection_paths.record_other_kind()
--
-- Trigger function that records which edges of other kinds are written during a rebuild.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     55006  The statement is TRUNCATE. Without the error, the exchange would bring back the deleted edges.
-- Reads
--     none
-- Writes
--     rebuild_other_kinds
-- Used by
--     watch_other_kinds, trigger on contact_connections_live
-- Why
--     SECURITY DEFINER: a role that writes edges of another kind needs no rights on the other tables of the package.
CREATE OR REPLACE FUNCTION connection_paths.record_other_kind()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'contact_connections is being rebuilt'
            USING ERRCODE = 'object_in_use', HINT = 'Use DELETE, or cancel the run.';
    END IF;
    -- OLD is NULL after INSERT and NEW is NULL after DELETE; the comparison leaves such a row out
    INSERT INTO connection_paths.rebuild_other_kinds (contact_a_id, contact_b_id, kind)
    SELECT e.contact_a_id, e.contact_b_id, e.kind
    FROM (
        VALUES (OLD.contact_a_id, OLD.contact_b_id, OLD.kind), (NEW.contact_a_id, NEW.contact_b_id, NEW.kind)
    ) AS e (contact_a_id, contact_b_id, kind)
    WHERE e.kind <> 'work_overlap';
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.record_other_kind() IS 'Trigger: records which edges of other kinds are written during a rebuild';

REVOKE ALL ON FUNCTION connection_paths.record_other_kind() FROM PUBLIC;

-- connection_paths.missing_rebuild_indexes(run_id)
--
-- Returns the statements that create the indexes which contact_connections_next still lacks.
--
-- Parameters
--     run_id  The run. Its id is part of the names of the indexes. Required.
-- Returns
--     One row for each missing index; no row when none is missing or contact_connections_next does not exist.
--     name       The name of the index, different from the name of the live index.
--     statement  CREATE INDEX. For an index that exists and has to carry a constraint, such as the primary key: ALTER
--                TABLE. Call the function again when the indexes are built.
-- Errors
--     none
-- Reads
--     contact_connections, contact_connections_live, contact_connections_next
-- Writes
--     none
-- Used by
--     exchange_rebuild, orchestrator/rebuild/rebuild.py, operators
-- Why
--     The indexes are read from contact_connections, so indexes of the application are included, and no index is
--     defined twice. Execute the statements one at a time; each may take minutes (in psql: \gexec).
--
--     Each index gets the tablespace of the live index that it replaces. pg_get_indexdef shows no tablespace, and the
--     tablespace has to stand before the predicate. So the text is cut by the known lengths of its head and its
--     predicate, because a name may contain any word.
CREATE OR REPLACE FUNCTION connection_paths.missing_rebuild_indexes(run_id bigint)
RETURNS TABLE (name text, statement text)
LANGUAGE sql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 3
BEGIN ATOMIC
    SELECT
        n.name,
        CASE
            WHEN made.oid IS NULL THEN
                d.create_index || pg_catalog.quote_ident(n.name) || ' ON connection_paths.contact_connections_next'
                || pg_catalog.substr(
                    d.definition,
                    pg_catalog.length(d.head) + 1,
                    pg_catalog.length(d.definition) - pg_catalog.length(d.head) - pg_catalog.length(d.predicate)
                )
                || CASE
                    WHEN pg_catalog.to_regclass('connection_paths.edge_shards') IS NULL -- Citus takes no tablespace
                    THEN ' TABLESPACE ' || pg_catalog.quote_ident(t.spcname)
                    ELSE ''
                END
                || d.predicate
            ELSE
                'ALTER TABLE connection_paths.contact_connections_next ADD '
                || CASE wanted.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END
                || ' USING INDEX ' || pg_catalog.quote_ident(n.name)
        END
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN pg_catalog.pg_constraint AS wanted
        ON wanted.conindid = i.indexrelid AND wanted.contype IN ('p', 'u') AND wanted.conrelid = i.indrelid
    CROSS JOIN LATERAL (
        SELECT '_r' || missing_rebuild_indexes.run_id::text AS suffix
    ) AS s
    CROSS JOIN LATERAL (
        SELECT
            k.create_index,
            k.create_index || pg_catalog.quote_ident(c.relname) || ' ON ONLY '
                || pg_catalog.quote_ident('connection_paths') || '.' || pg_catalog.quote_ident('contact_connections')
                AS head,
            pg_catalog.pg_get_indexdef(i.indexrelid, 0, false) AS definition,
            COALESCE(' WHERE ' || pg_catalog.pg_get_expr(i.indpred, i.indrelid, false), '') AS predicate
        FROM (SELECT 'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' AS create_index) AS k
    ) AS d
    LEFT JOIN (
        SELECT h.inhparent, l.reltablespace
        FROM pg_catalog.pg_inherits AS h
        JOIN pg_catalog.pg_index AS x ON x.indexrelid = h.inhrelid
        JOIN pg_catalog.pg_class AS l ON l.oid = h.inhrelid
        WHERE x.indrelid = pg_catalog.to_regclass('connection_paths.contact_connections_live')
    ) AS live ON live.inhparent = i.indexrelid
    JOIN pg_catalog.pg_database AS b ON b.datname = pg_catalog.current_database()
    JOIN pg_catalog.pg_tablespace AS t ON t.oid = COALESCE(NULLIF(live.reltablespace, 0::pg_catalog.oid), b.dattablespace)
    CROSS JOIN LATERAL (
        -- a name has at most 63 bytes
        SELECT
            CASE
                WHEN pg_catalog.octet_length(c.relname::text || s.suffix) <= 63 THEN c.relname::text || s.suffix
                ELSE 'idx_cc_' || c.oid::text || s.suffix
            END
    ) AS n (name)
    LEFT JOIN (
        SELECT m.oid, m.relname::text AS relname, k.contype
        FROM pg_catalog.pg_index AS x
        JOIN pg_catalog.pg_class AS m ON m.oid = x.indexrelid
        LEFT JOIN pg_catalog.pg_constraint AS k ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid
        WHERE x.indrelid = pg_catalog.to_regclass('connection_paths.contact_connections_next')
    ) AS made ON made.relname = n.name
    WHERE i.indrelid = 'connection_paths.contact_connections'::pg_catalog.regclass
        AND pg_catalog.to_regclass('connection_paths.contact_connections_next') IS NOT NULL
        AND (made.oid IS NULL OR wanted.contype IS NOT NULL AND made.contype IS NULL)
    -- The slowest build comes first, because several builds run at the same time. Rows are stored by contact_a_id, so
    -- an index with another first column has more to sort.
    ORDER BY
        i.indkey[0] = (
            SELECT a.attnum
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = i.indrelid AND a.attname = 'contact_a_id'
        ),
        i.indisprimary DESC,
        n.name;
END;

COMMENT ON FUNCTION connection_paths.missing_rebuild_indexes(bigint) IS 'The statements that create the indexes which contact_connections_next still lacks';

REVOKE ALL ON FUNCTION connection_paths.missing_rebuild_indexes(bigint) FROM PUBLIC;

-- connection_paths.redirect_searches(to_next)
--
-- Lets searches read the table of a rebuild directly before the exchange, and contact_connections again after it.
--
-- Parameters
--     to_next  true: contact_connections_next. false: contact_connections. Required.
-- Returns
--     true when searches read that table now. false when they cannot read contact_connections_next: no rebuild is in
--     the phase indexing, contact_connections has row-level security, or this role may not replace the functions.
-- Errors
--     none
-- Reads
--     contact_connections, backfill_runs
-- Writes
--     contact_connections_next
-- Used by
--     exchange_rebuild, drop_rebuild, orchestrator/rebuild/standbys.py
-- Why
--     The exchange locks contact_connections and both partitions. A standby that replays the exchange waits for every
--     statement that reads edges, and later searches would wait for replay. Replacing a function locks no table. A
--     search reads edges through three functions only. So while these read contact_connections_next directly, a long
--     statement that reads contact_connections on a standby delays no search
--     (docs/adr/0023-an-exchange-gives-way.md).
--
--     Roles that may read contact_connections get the right to read contact_connections_next. Row-level security of
--     contact_connections would not hold there. Afterwards only the owner may read contact_connections_next, also when
--     install has already restored the functions. Rights to contact_connections_live are not changed.
--
--     The row of the run is locked, so that the run is not cancelled, and its table not dropped, at the same time.
CREATE OR REPLACE FUNCTION connection_paths.redirect_searches(to_next boolean)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- All functions that read edges for a search.
    readers CONSTANT pg_catalog.name[] := '{contact_edges, neighbours, pair_edges}';
    statement text;
BEGIN
    IF to_next THEN
        PERFORM FROM connection_paths.backfill_runs AS r
        WHERE r.is_active AND r.strategy = 'rebuild' AND r.phase = 'indexing'
        FOR UPDATE;
        IF NOT FOUND OR EXISTS (
            SELECT
            FROM pg_catalog.pg_class AS c
            WHERE c.oid = 'connection_paths.contact_connections'::regclass AND c.relrowsecurity
        ) OR EXISTS (
            SELECT
            FROM pg_catalog.pg_proc AS p
            WHERE p.pronamespace = 'connection_paths'::pg_catalog.regnamespace
                AND p.proname = ANY (readers)
                AND NOT pg_catalog.pg_has_role(p.proowner, 'MEMBER')
        ) THEN
            RETURN false;
        END IF;
        FOR statement IN
            SELECT
                pg_catalog.format(
                    'GRANT SELECT %s ON connection_paths.contact_connections_next TO %s',
                    CASE WHEN a.column_name IS NOT NULL THEN pg_catalog.format('(%I)', a.column_name) END,
                    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
                )
            FROM (
                SELECT NULL::pg_catalog.name AS column_name, g.grantee, g.privilege_type, c.relowner
                FROM pg_catalog.pg_class AS c
                CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS g
                WHERE c.oid = 'connection_paths.contact_connections'::regclass
                UNION ALL
                SELECT t.attname, g.grantee, g.privilege_type, c.relowner
                FROM pg_catalog.pg_class AS c
                JOIN pg_catalog.pg_attribute AS t ON t.attrelid = c.oid
                CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS g
                WHERE c.oid = 'connection_paths.contact_connections'::regclass
            ) AS a
            WHERE a.privilege_type = 'SELECT' AND a.grantee <> a.relowner
        LOOP
            EXECUTE statement;
        END LOOP;
    END IF;

    FOR statement IN
        SELECT d.after
        FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL pg_catalog.pg_get_functiondef(p.oid) AS f (before)
        CROSS JOIN LATERAL pg_catalog.regexp_replace(
            f.before,
            'connection_paths\.contact_connections(_next)?\M',
            'connection_paths.contact_connections' || CASE WHEN redirect_searches.to_next THEN '_next' ELSE '' END,
            'g'
        ) AS d (after)
        WHERE p.pronamespace = 'connection_paths'::pg_catalog.regnamespace
            AND p.proname = ANY (readers)
            AND d.after <> f.before
    LOOP
        EXECUTE statement;
    END LOOP;

    IF NOT to_next THEN
        FOR statement IN
            SELECT DISTINCT
                pg_catalog.format(
                    'REVOKE SELECT ON %s FROM %s', c.oid::regclass,
                    CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END
                )
            FROM pg_catalog.pg_class AS c
            LEFT JOIN pg_catalog.pg_attribute AS t ON t.attrelid = c.oid AND t.attacl IS NOT NULL
            CROSS JOIN LATERAL (
                SELECT x.grantee FROM pg_catalog.aclexplode(c.relacl) AS x WHERE x.privilege_type = 'SELECT'
                UNION ALL
                SELECT x.grantee FROM pg_catalog.aclexplode(t.attacl) AS x WHERE x.privilege_type = 'SELECT'
            ) AS g
            WHERE c.relnamespace = 'connection_paths'::pg_catalog.regnamespace
                AND c.relname = 'contact_connections_next'
                AND g.grantee <> c.relowner
        LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.redirect_searches(boolean) IS 'Lets searches read the table of a rebuild directly before the exchange, or contact_connections again';

REVOKE ALL ON FUNCTION connection_paths.redirect_searches(boolean) FROM PUBLIC;

-- connection_paths.drop_rebuild()
--
-- Drops everything that a rebuild created and that is not in use as the live edges.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_connections_live, rebuild_other_kinds, rebuild_replays, rebuild_missing_contacts
-- Used by
--     cancel_run, finish_run, prepare_rebuild, orchestrator/doctor/runs.py
-- Why
--     These are the tables, triggers and recorded rows of a cancelled rebuild, and the table that a finished rebuild
--     has replaced. A second call does nothing. Dropping triggers waits for sessions that write edges, so callers set
--     lock_timeout.
CREATE OR REPLACE FUNCTION connection_paths.drop_rebuild()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning -- no notice for each table that does not exist
AS $function$
BEGIN
    PERFORM connection_paths.redirect_searches(false); -- contact_connections_next cannot be dropped before
    DROP TABLE IF EXISTS connection_paths.contact_connections_next;
    DROP TABLE IF EXISTS connection_paths.contact_connections_old;
    -- This check comes first because even DROP TRIGGER IF EXISTS waits for writers.
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'connection_paths.contact_connections_live'::regclass AND t.tgname = 'refuse_truncate'
    ) THEN
        DROP TRIGGER record_inserted ON connection_paths.contact_connections_live;
        DROP TRIGGER record_updated ON connection_paths.contact_connections_live;
        DROP TRIGGER record_deleted ON connection_paths.contact_connections_live;
        DROP TRIGGER refuse_truncate ON connection_paths.contact_connections_live;
    END IF;
    DELETE FROM connection_paths.rebuild_other_kinds;
    DELETE FROM connection_paths.rebuild_replays;
    DELETE FROM connection_paths.rebuild_missing_contacts;
END
$function$;

COMMENT ON FUNCTION connection_paths.drop_rebuild() IS 'Drops the tables, triggers and recorded rows of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.drop_rebuild() FROM PUBLIC;

-- connection_paths.copy_storage_parameters()
--
-- Gives contact_connections_next the storage parameters of contact_connections_live.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     contact_connections_live
-- Writes
--     contact_connections_next
-- Used by
--     exchange_rebuild, prepare_rebuild
-- Why
--     A DBA may have set parameters of the table, such as fillfactor or autovacuum_vacuum_scale_factor, and of its
--     columns, such as a statistics target or n_distinct. CREATE TABLE LIKE does not copy them. ALTER TABLE takes them
--     only as literals, so the function builds SQL from names and values of the catalog.
CREATE OR REPLACE FUNCTION connection_paths.copy_storage_parameters()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    change text;
BEGIN
    FOR change IN
        SELECT
            CASE c.oid
                WHEN 'connection_paths.contact_connections_next'::regclass
                THEN 'RESET (' || pg_catalog.quote_ident(o.option_name) || ')'
                ELSE 'SET (' || pg_catalog.quote_ident(o.option_name) || ' = ' || quote_literal(o.option_value) || ')'
            END
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL pg_catalog.pg_options_to_table(c.reloptions) AS o
        WHERE c.oid IN (
            'connection_paths.contact_connections_next'::regclass, 'connection_paths.contact_connections_live'::regclass
        )
        ORDER BY c.oid = 'connection_paths.contact_connections_live'::regclass
    LOOP
        EXECUTE 'ALTER TABLE connection_paths.contact_connections_next ' || change;
    END LOOP;

    FOR change IN
        SELECT
            'ALTER COLUMN ' || pg_catalog.quote_ident(a.attname) || ' ' || o.change
        FROM pg_catalog.pg_attribute AS a
        CROSS JOIN LATERAL (
            SELECT 'SET STATISTICS ' || a.attstattarget::text WHERE a.attstattarget >= 0
            UNION ALL
            SELECT 'SET (' || pg_catalog.quote_ident(p.option_name) || ' = ' || quote_literal(p.option_value) || ')'
            FROM pg_catalog.pg_options_to_table(a.attoptions) AS p
            WHERE p.option_name LIKE 'n\_distinct%' -- the others are the server's own, such as pg_attver of 15.20
        ) AS o (change)
        WHERE a.attrelid = 'connection_paths.contact_connections_live'::regclass AND a.attnum > 0 AND NOT a.attisdropped
    LOOP
        EXECUTE 'ALTER TABLE connection_paths.contact_connections_next ' || change;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.copy_storage_parameters() IS 'Gives contact_connections_next the storage parameters of contact_connections_live';

REVOKE ALL ON FUNCTION connection_paths.copy_storage_parameters() FROM PUBLIC;

-- connection_paths.missing_contacts()
--
-- Lists the contacts that have usable work experiences and do not exist.
--
-- Parameters
--     none
-- Returns
--     contact_id  Such a contact. Each contact once.
-- Errors
--     none
-- Reads
--     employments, live_contacts
-- Writes
--     none
-- Used by
--     copy_remaining_edges, prepare_rebuild
-- Why
--     These contacts have no edges. A rebuild lists them once, because the look-up of each neighbour, as work_overlaps
--     does it, would take half of the time of a rebuild.
CREATE OR REPLACE FUNCTION connection_paths.missing_contacts()
RETURNS TABLE (contact_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT DISTINCT e.contact_id
    FROM connection_paths.employments AS e
    WHERE e.contact_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id);
END;

COMMENT ON FUNCTION connection_paths.missing_contacts() IS 'Contacts that have usable work experiences and do not exist';

REVOKE ALL ON FUNCTION connection_paths.missing_contacts() FROM PUBLIC;

-- connection_paths.require_exchangeable()
--
-- Raises an error when a rebuild could not exchange the table of the live edges.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     42501  The current role is not a member of the role that owns contact_connections.
--     55000  A foreign key refers to contact_connections; or a view or a function depends on contact_connections_live
--            itself, and would read the old rows after the exchange; or the kind work_overlap has a partition of its
--            own; or the package is installed as an extension, whose tables cannot be exchanged.
-- Reads
--     contact_connections, contact_connections_live
-- Writes
--     none
-- Used by
--     prepare_rebuild
CREATE OR REPLACE FUNCTION connection_paths.require_exchangeable()
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    owner_role text;
    hindrance text;
BEGIN
    SELECT pg_catalog.pg_get_userbyid(c.relowner)
    INTO owner_role
    FROM pg_catalog.pg_class AS c
    WHERE c.oid = 'connection_paths.contact_connections'::regclass;
    IF NOT pg_catalog.pg_has_role(owner_role, 'MEMBER') THEN
        RAISE EXCEPTION 'a rebuild exchanges tables, and only members of the role % may do that', owner_role
            USING ERRCODE = 'insufficient_privilege', HINT = 'Use the strategy in_place.';
    END IF;
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_constraint AS k
        WHERE k.contype = 'f'
            AND k.confrelid IN (
                'connection_paths.contact_connections'::regclass, 'connection_paths.contact_connections_live'::regclass
            )
    ) THEN
        RAISE EXCEPTION 'a foreign key refers to contact_connections, and a rebuild would exchange its rows'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Use the strategy in_place.';
    END IF;
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e'
            AND d.objid = 'connection_paths.contact_connections_live'::regclass
    ) THEN
        RAISE EXCEPTION 'contact_connections is part of an extension, and its table cannot be exchanged'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Use the strategy in_place.';
    END IF;
    SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
    INTO hindrance
    FROM pg_catalog.pg_depend AS d
    WHERE d.refclassid = 'pg_catalog.pg_class'::regclass
        AND d.refobjid = 'connection_paths.contact_connections_live'::regclass
        AND d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% depends on contact_connections_live, and a rebuild would exchange that table', hindrance
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Change it to use contact_connections, or use the strategy in_place.';
    END IF;
    SELECT c.oid::regclass
    INTO hindrance
    FROM pg_catalog.pg_inherits AS h
    JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid
    WHERE h.inhparent = 'connection_paths.contact_connections'::regclass
        AND pg_catalog.strpos(pg_catalog.pg_get_expr(c.relpartbound, c.oid), '''work_overlap''') > 0
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% is the partition of the kind work_overlap, and a rebuild would not exchange it', hindrance
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Detach it, or use the strategy in_place.';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_exchangeable() IS 'Raises when a rebuild could not exchange the table of the live edges; part of create_run';

REVOKE ALL ON FUNCTION connection_paths.require_exchangeable() FROM PUBLIC;

-- connection_paths.next_overlaps(contact_ids)
--
-- Gives the edges of some contacts in the table of a rebuild.
--
-- Parameters
--     contact_ids  The contacts. Required.
-- Returns
--     One row per work_overlap edge whose smaller contact id is in contact_ids.
--     contact_a_id, contact_b_id, shared_organizations, organization_id, date_from, date_to, earlier_days, people
-- Errors
--     42P01  contact_connections_next does not exist.
-- Reads
--     contact_connections_next
-- Writes
--     none
-- Used by
--     sql/queries/rebuild/rebuild_problems.sql
-- Why
--     A function and not a part of the query: where Citus distributes the table, it cannot plan one statement that also
--     computes edges.
CREATE OR REPLACE FUNCTION connection_paths.next_overlaps(contact_ids bigint[])
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
    shared_organizations smallint,
    organization_id bigint,
    date_from date,
    date_to date,
    earlier_days integer,
    people integer
)
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT n.contact_a_id, n.contact_b_id, n.shared_organizations, n.organization_id, n.date_from, n.date_to,
        n.earlier_days, n.people
    FROM connection_paths.contact_connections_next AS n
    WHERE n.contact_a_id = ANY (contact_ids) AND n.kind = 'work_overlap';
END
$function$;

COMMENT ON FUNCTION connection_paths.next_overlaps(bigint[]) IS 'The edges of some contacts in the table of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.next_overlaps(bigint[]) FROM PUBLIC;

-- connection_paths.place_rebuild()
--
-- Puts contact_connections_next on the servers that store the edges.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     prepare_rebuild
-- Why
--     On one server, there is nothing to do. install --distributed replaces this function by one that makes
--     contact_connections_next a distributed table of Citus.
CREATE OR REPLACE FUNCTION connection_paths.place_rebuild()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN;
END
$function$;

COMMENT ON FUNCTION connection_paths.place_rebuild() IS 'Puts contact_connections_next on the servers that store the edges; part of prepare_rebuild';

REVOKE ALL ON FUNCTION connection_paths.place_rebuild() FROM PUBLIC;

-- connection_paths.watch_other_kinds()
--
-- Creates the triggers that record which edges of other kinds are written during a rebuild.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_connections_live
-- Used by
--     prepare_rebuild
-- Why
--     The application writes edges of other kinds to the live table during a rebuild, too. Triggers record these
--     writes, and copy_other_kinds copies the edges.
CREATE OR REPLACE FUNCTION connection_paths.watch_other_kinds()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    CREATE TRIGGER record_inserted
        AFTER INSERT ON connection_paths.contact_connections_live
        FOR EACH ROW WHEN (NEW.kind <> 'work_overlap')
        EXECUTE FUNCTION connection_paths.record_other_kind();
    CREATE TRIGGER record_updated
        AFTER UPDATE ON connection_paths.contact_connections_live
        FOR EACH ROW WHEN (OLD.kind <> 'work_overlap' OR NEW.kind <> 'work_overlap')
        EXECUTE FUNCTION connection_paths.record_other_kind();
    CREATE TRIGGER record_deleted
        AFTER DELETE ON connection_paths.contact_connections_live
        FOR EACH ROW WHEN (OLD.kind <> 'work_overlap')
        EXECUTE FUNCTION connection_paths.record_other_kind();
    CREATE TRIGGER refuse_truncate
        BEFORE TRUNCATE ON connection_paths.contact_connections_live
        EXECUTE FUNCTION connection_paths.record_other_kind();
END
$function$;

COMMENT ON FUNCTION connection_paths.watch_other_kinds() IS 'Creates the triggers that record which edges of other kinds are written during a rebuild; part of prepare_rebuild';

REVOKE ALL ON FUNCTION connection_paths.watch_other_kinds() FROM PUBLIC;

-- connection_paths.prepare_rebuild()
--
-- Creates the table that a rebuild fills, and the triggers that record edges of other kinds.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     42501  The current role is not a member of the role that owns contact_connections.
--     55000  The table of the live edges cannot be exchanged: see require_exchangeable.
-- Reads
--     contact_connections
-- Writes
--     contact_connections_next, contact_connections_live, rebuild_missing_contacts
-- Used by
--     create_run
-- Why
--     contact_connections_next gets the columns and constraints of contact_connections and the tablespace, the storage
--     parameters and the owner of the live table. With that owner, every member of the role can continue the rebuild.
--     It gets indexes only when it is full. Everything that an earlier rebuild left is dropped first. The lock of
--     rebuild_missing_contacts keeps cancel_run, which drops the same objects, from running at the same time.
--
--     Edges of other kinds belong to the application, which writes them to the live table during a rebuild, too: see
--     watch_other_kinds. Creating its triggers waits for sessions that write edges, so callers set lock_timeout.
--
--     A partition that the application made for a kind of its own is neither read nor written. A CHECK constraint of
--     the application that is NOT VALID becomes valid, so edges that are copied must satisfy it.
CREATE OR REPLACE FUNCTION connection_paths.prepare_rebuild()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    caller text := current_setting('role');
    tablespace text := current_setting('default_tablespace');
    owner_role text;
BEGIN
    PERFORM connection_paths.require_exchangeable();
    SELECT pg_catalog.pg_get_userbyid(c.relowner)
    INTO owner_role
    FROM pg_catalog.pg_class AS c
    WHERE c.oid = 'connection_paths.contact_connections'::regclass;
    LOCK TABLE connection_paths.rebuild_missing_contacts IN SHARE ROW EXCLUSIVE MODE;
    PERFORM connection_paths.drop_rebuild();

    INSERT INTO connection_paths.rebuild_missing_contacts (contact_id)
    SELECT m.contact_id FROM connection_paths.missing_contacts() AS m;

    IF owner_role <> current_user THEN
        PERFORM pg_catalog.set_config('role', owner_role, true);
    END IF;
    PERFORM pg_catalog.set_config('default_tablespace', COALESCE(t.spcname, ''), true)
    FROM pg_catalog.pg_class AS c
    LEFT JOIN pg_catalog.pg_tablespace AS t ON t.oid = c.reltablespace
    WHERE c.oid = 'connection_paths.contact_connections_live'::regclass;
    CREATE TABLE connection_paths.contact_connections_next (
        LIKE connection_paths.contact_connections INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS
    );
    PERFORM pg_catalog.set_config('default_tablespace', tablespace, true);
    PERFORM connection_paths.copy_storage_parameters();
    -- the table is vacuumed and analysed once, when it is full
    ALTER TABLE connection_paths.contact_connections_next SET (autovacuum_enabled = false);
    -- default privileges may have granted something; edges are read and written through contact_connections only
    REVOKE ALL ON TABLE connection_paths.contact_connections_next FROM PUBLIC;
    COMMENT ON TABLE connection_paths.contact_connections_next IS 'The table of a rebuild in progress; becomes contact_connections_live';

    PERFORM connection_paths.watch_other_kinds();

    PERFORM pg_catalog.set_config('role', caller, true);
    PERFORM connection_paths.place_rebuild(); -- as the caller: the role that owns the table may be unable to log in
END
$function$;

COMMENT ON FUNCTION connection_paths.prepare_rebuild() IS 'Creates contact_connections_next and the triggers that record edges of other kinds; part of create_run';

REVOKE ALL ON FUNCTION connection_paths.prepare_rebuild() FROM PUBLIC;

-- connection_paths.begin_indexing(run_id)
--
-- Moves a rebuild from the phase filling to the phase indexing.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the phase has changed. false when the run is not a rebuild, is over, or is past the phase filling.
--     After true, this transaction holds the lock of the run's row. So no other session can cancel the run, and drop
--     its table, before this transaction ends.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     copy_remaining_edges
CREATE OR REPLACE FUNCTION connection_paths.begin_indexing(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE connection_paths.backfill_runs AS r
    SET phase = 'indexing'
    WHERE r.run_id = begin_indexing.run_id
        AND r.strategy = 'rebuild'
        AND r.is_active
        AND r.phase = 'filling';
    RETURN FOUND;
END
$function$;

COMMENT ON FUNCTION connection_paths.begin_indexing(bigint) IS 'Moves a rebuild from the phase filling to the phase indexing; part of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.begin_indexing(bigint) FROM PUBLIC;

-- connection_paths.mark_exchanged(run_id)
--
-- Moves a rebuild from the phase indexing to the phase exchanged.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the phase has changed. false when the run is over, or is not in the phase indexing.
--     After true, this transaction holds the lock of the run's row. So no other session can cancel the run, and drop
--     its table, before this transaction ends.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     exchange_rebuild
CREATE OR REPLACE FUNCTION connection_paths.mark_exchanged(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE connection_paths.backfill_runs AS r
    SET phase = 'exchanged'
    WHERE r.run_id = mark_exchanged.run_id AND r.is_active AND r.phase = 'indexing';
    RETURN FOUND;
END
$function$;

COMMENT ON FUNCTION connection_paths.mark_exchanged(bigint) IS 'Moves a rebuild from the phase indexing to the phase exchanged; part of the exchange';

REVOKE ALL ON FUNCTION connection_paths.mark_exchanged(bigint) FROM PUBLIC;

-- connection_paths.copy_remaining_edges(run_id)
--
-- Copies the edges that no batch computes into the table of a rebuild, after the last batch.
--
-- Parameters
--     run_id  The run. Required.
-- Returns
--     The number of edges that were copied. 0 when the run is not a rebuild in the phase filling, or is over.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     02000  There is no such run.
--     CP002  Some batches are not finished.
--     CP004  The table of the rebuild does not exist.
-- Reads
--     backfill_batches, contact_connections_live, rebuild_missing_contacts
-- Writes
--     contact_connections_next, rebuild_replays
-- Used by
--     orchestrator/rebuild/rebuild.py
-- Why
--     The function copies the edges of other kinds as they are now; triggers record later changes of them. It also
--     copies the old work_overlap edges of contacts that were set aside: they could not be computed, and an old edge is
--     better than none.
--
--     The batches used a list of missing contacts that was made when the rebuild began. A contact that was inserted or
--     deleted since then is queued for the time after the exchange, because a sync may have refreshed it before the
--     sync could see the run.
--
--     The phase of the run becomes indexing in the same transaction. So the function may be called again after a crash.
CREATE OR REPLACE FUNCTION connection_paths.copy_remaining_edges(run_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    others bigint;
    kept bigint;
BEGIN
    PERFORM connection_paths.require_read_committed();
    PERFORM connection_paths.require_batches_done(copy_remaining_edges.run_id);
    PERFORM connection_paths.require_rebuild(copy_remaining_edges.run_id);
    IF NOT connection_paths.begin_indexing(copy_remaining_edges.run_id) THEN
        RETURN 0;
    END IF;

    INSERT INTO connection_paths.contact_connections_next
    SELECT c.* FROM connection_paths.contact_connections_live AS c WHERE c.kind <> 'work_overlap';
    GET DIAGNOSTICS others = ROW_COUNT;

    INSERT INTO connection_paths.contact_connections_next
    SELECT c.*
    FROM connection_paths.backfill_batches AS b
    JOIN connection_paths.contact_connections_live AS c
        ON (b.above_contact_id IS NULL OR c.contact_a_id > b.above_contact_id)
        AND (b.upto_contact_id IS NULL OR c.contact_a_id <= b.upto_contact_id)
    WHERE b.run_id = copy_remaining_edges.run_id AND b.status = 'set aside' AND c.kind = 'work_overlap';
    GET DIAGNOSTICS kept = ROW_COUNT;

    INSERT INTO connection_paths.rebuild_replays (contact_id)
    SELECT contact_id
    FROM connection_paths.missing_contacts() AS now
    FULL JOIN connection_paths.rebuild_missing_contacts AS earlier USING (contact_id)
    WHERE now.contact_id IS NULL OR earlier.contact_id IS NULL;

    RETURN others + kept;
END
$function$;

COMMENT ON FUNCTION connection_paths.copy_remaining_edges(bigint) IS 'Copies the edges of other kinds, and the old ones of contacts that were set aside, into the table of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.copy_remaining_edges(bigint) FROM PUBLIC;

-- connection_paths.copy_other_kinds()
--
-- Copies the edges of other kinds that were written during a rebuild to contact_connections_next.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     contact_connections_live, rebuild_other_kinds
-- Writes
--     contact_connections_next
-- Used by
--     exchange_rebuild
-- Why
--     copy_remaining_edges has copied the edges of other kinds that were there before. The triggers of
--     watch_other_kinds have recorded which were written since then.
CREATE OR REPLACE FUNCTION connection_paths.copy_other_kinds()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    DELETE FROM connection_paths.contact_connections_next AS n
    USING connection_paths.rebuild_other_kinds AS k
    WHERE n.contact_a_id = k.contact_a_id AND n.contact_b_id = k.contact_b_id AND n.kind = k.kind;
    INSERT INTO connection_paths.contact_connections_next
    SELECT c.*
    FROM (
        SELECT DISTINCT k.contact_a_id, k.contact_b_id, k.kind
        FROM connection_paths.rebuild_other_kinds AS k
    ) AS recorded
    JOIN connection_paths.contact_connections_live AS c
        ON c.contact_a_id = recorded.contact_a_id
        AND c.contact_b_id = recorded.contact_b_id
        AND c.kind = recorded.kind;
END
$function$;

COMMENT ON FUNCTION connection_paths.copy_other_kinds() IS 'Copies the edges of other kinds that were written during a rebuild; part of exchange_rebuild';

REVOKE ALL ON FUNCTION connection_paths.copy_other_kinds() FROM PUBLIC;

-- connection_paths.exchange_rebuild(run_id)
--
-- Exchanges the live edges for the table of a rebuild.
--
-- Parameters
--     run_id  The run. Required.
-- Returns
--     true when this call did the exchange. false when the run is not a rebuild in the phase indexing, or is over.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     CP002  contact_connections_next lacks an index of contact_connections. PostgreSQL would build it under the lock.
-- Reads
--     contact_connections, contact_connections_live
-- Writes
--     contact_connections_next, contact_changes, rebuild_other_kinds, rebuild_replays
-- Used by
--     orchestrator/rebuild/rebuild.py
-- Why
--     This is one short transaction with an exclusive lock. Sessions that read or write edges wait for it, and it waits
--     for them. So callers set lock_timeout and try again.
--
--     contact_connections stays the same table, with its grants, policies, views and functions; only its partition is
--     exchanged. Contacts that were refreshed during the rebuild are queued again, and edges of other kinds that were
--     written during the rebuild are copied. The replaced table is kept as contact_connections_old until drop_rebuild.
--
--     Where the primary has standbys, orchestrator lets searches read contact_connections_next before: see
--     redirect_searches. They read contact_connections again from the end of this transaction.
--
--     When the application has a partition of its own, PostgreSQL reads the whole new table during the exchange.
--
--     A REPEATABLE READ transaction that began before the rebuild ended, and reads edges only after the exchange, sees
--     almost no edges: its snapshot is older than the new rows. A statement that waited for the exchange sees all edges
--     of the package, but not the edges of other kinds that were written during the rebuild.
CREATE OR REPLACE FUNCTION connection_paths.exchange_rebuild(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    missing bigint;
BEGIN
    PERFORM connection_paths.require_read_committed();
    IF NOT connection_paths.mark_exchanged(exchange_rebuild.run_id) THEN
        RETURN false;
    END IF;

    LOCK TABLE connection_paths.contact_connections IN ACCESS EXCLUSIVE MODE;

    SELECT count(*)
    INTO missing
    FROM connection_paths.missing_rebuild_indexes(exchange_rebuild.run_id);
    IF missing > 0 THEN
        RAISE EXCEPTION 'contact_connections_next lacks % indexes', missing
            USING ERRCODE = 'CP002',
                HINT = 'Execute the statements that missing_rebuild_indexes returns.';
    END IF;

    PERFORM connection_paths.redirect_searches(false); -- other sessions see that together with the exchange
    PERFORM connection_paths.copy_other_kinds();
    INSERT INTO connection_paths.contact_changes (contact_id)
    SELECT DISTINCT p.contact_id FROM connection_paths.rebuild_replays AS p;
    DELETE FROM connection_paths.rebuild_replays;
    DELETE FROM connection_paths.rebuild_other_kinds;

    -- the current values of the live table; this also turns autovacuum on again
    PERFORM connection_paths.copy_storage_parameters();
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_class AS c
        WHERE c.oid = 'connection_paths.contact_connections_live'::regclass AND c.relreplident = 'f'
    ) THEN
        ALTER TABLE connection_paths.contact_connections_next REPLICA IDENTITY FULL;
    END IF;
    ALTER TABLE connection_paths.contact_connections DETACH PARTITION connection_paths.contact_connections_live;
    ALTER TABLE connection_paths.contact_connections_live RENAME TO contact_connections_old;
    ALTER TABLE connection_paths.contact_connections_next RENAME TO contact_connections_live;
    ALTER TABLE connection_paths.contact_connections ATTACH PARTITION connection_paths.contact_connections_live DEFAULT;
    COMMENT ON TABLE connection_paths.contact_connections_live IS 'The rows of contact_connections; read and write them through contact_connections';
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.exchange_rebuild(bigint) IS 'Exchanges the live edges for contact_connections_next, in one short transaction';

REVOKE ALL ON FUNCTION connection_paths.exchange_rebuild(bigint) FROM PUBLIC;

-- connection_paths.counted_overlaps()
--
-- Returns numbers whose sum, for a contact at an organization, is the number of overlaps of the contact there.
--
-- Parameters
--     none
-- Returns
--     Some rows for each contact that exists and has a usable work experience at an organization that exists.
--     organization_id  The organization.
--     contact_id       The contact.
--     overlaps         A part of the number. The sum over all rows of a contact at an organization is the number of
--                      overlaps of the contact there. A single row may be negative.
-- Errors
--     none
-- Reads
--     employments, live_organizations, organization_policy, live_contacts
-- Writes
--     none
-- Used by
--     overlaps_by_contact, sql/queries/runs/largest_organizations.sql, sql/queries/runs/organization_costs.sql
-- Why
--     An overlap is a pair of usable work experiences of two contacts at the same organization that share at least one
--     day. Both contacts and the organization exist, and both experiences start today or earlier. Half of the sum of
--     all rows is the number of overlaps.
--
--     The function does not join work experiences with each other, because a large organization has billions of pairs.
--     It sorts the first and the last days of the experiences of each organization; of equal days, first days come
--     before last days. The experiences that overlap a given one are those that start on its last day or earlier, minus
--     those that end before its first day. Both numbers are running counts over the sorted days. Running counts over
--     the days of the contact alone are subtracted, because a contact does not overlap with itself.
--
--     Where organization_policy requires min_overlap_days days, the start of each experience is moved by the required
--     days after the first one: see possible_overlaps.
--
--     PostgreSQL inlines this function into the calling query and plans both together. It applies a condition on
--     organization_id before it counts. With 3.1 million usable work experiences, all organizations take 5.6 s of
--     processor time.
CREATE OR REPLACE FUNCTION connection_paths.counted_overlaps()
RETURNS TABLE (organization_id bigint, contact_id bigint, overlaps bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    WITH moved AS NOT MATERIALIZED (
        SELECT
            e.contact_id,
            e.organization_id,
            -- LEAST: a date near the last possible one cannot be moved
            CASE
                WHEN e.organization_id IN (
                    SELECT p.organization_id
                    FROM connection_paths.organization_policy AS p
                    WHERE p.rule = 'long_overlaps'
                ) THEN LEAST(e.date_from, '1000000-01-01'::date) + (
                    SELECT p.min_overlap_days - 1
                    FROM connection_paths.organization_policy AS p
                    WHERE p.organization_id = e.organization_id
                )
                ELSE e.date_from
            END AS date_from,
            COALESCE(e.date_to, 'infinity'::date) AS date_to
        FROM connection_paths.employments AS e
        WHERE EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id)
            AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id)
    ),
    started AS NOT MATERIALIZED (
        SELECT m.contact_id, m.organization_id, m.date_from, m.date_to
        FROM moved AS m
        WHERE m.date_from <= CURRENT_DATE AND m.date_from <= m.date_to
    ),
    events AS (
        SELECT s.contact_id, s.organization_id, s.date_from AS day, false AS is_last FROM started AS s
        UNION ALL
        SELECT s.contact_id, s.organization_id, s.date_to, true FROM started AS s
    ),
    numbered AS (
        SELECT
            e.contact_id,
            e.organization_id,
            e.is_last,
            row_number() OVER of_all - row_number() OVER of_own AS events,
            count(*) FILTER (WHERE NOT e.is_last) OVER of_all
                - count(*) FILTER (WHERE NOT e.is_last) OVER of_own AS firsts
        FROM events AS e
        WINDOW
            of_all AS (PARTITION BY e.organization_id ORDER BY e.day, e.is_last ROWS UNBOUNDED PRECEDING),
            of_own AS (
                PARTITION BY e.organization_id, e.contact_id ORDER BY e.day, e.is_last ROWS UNBOUNDED PRECEDING
            )
    )
    SELECT n.organization_id, n.contact_id, CASE WHEN n.is_last THEN n.firsts ELSE n.firsts - n.events END
    FROM numbered AS n
    UNION ALL
    -- experiences without an overlap, because they have not started or are not long enough
    SELECT m.organization_id, m.contact_id, 0
    FROM moved AS m
    WHERE m.date_from > CURRENT_DATE OR m.date_from > m.date_to;
END;

COMMENT ON FUNCTION connection_paths.counted_overlaps() IS 'Numbers whose sum, for a contact at an organization, is the number of its overlaps there; part of overlaps_by_contact';

REVOKE ALL ON FUNCTION connection_paths.counted_overlaps() FROM PUBLIC;

-- connection_paths.overlaps_by_contact()
--
-- Counts the overlaps of each contact, for all contacts at once.
--
-- Parameters
--     none
-- Returns
--     One row for each contact that exists and has a usable work experience at an organization that exists.
--     contact_id  The contact.
--     overlaps    The number of overlaps of its work experiences. The contact has at most as many edges, because one
--                 edge can come from several overlaps.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     sql/queries/edges/verify_sample.sql, sql/queries/runs/all_pairs.sql,
--     sql/queries/runs/organization_costs.sql, sql/queries/runs/sample_overlaps.sql
-- Why
--     An overlap is a pair of usable work experiences of two contacts at the same organization that share at least one
--     day. Half of the sum of all rows is the number of overlaps. counted_overlaps explains how they are counted.
CREATE OR REPLACE FUNCTION connection_paths.overlaps_by_contact()
RETURNS TABLE (contact_id bigint, overlaps bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    SELECT c.contact_id, sum(c.overlaps)::bigint
    FROM connection_paths.counted_overlaps() AS c
    GROUP BY c.contact_id;
END;

COMMENT ON FUNCTION connection_paths.overlaps_by_contact() IS 'How many overlaps each contact has: an upper bound of its edges; half the sum is the number of overlapping pairs';

REVOKE ALL ON FUNCTION connection_paths.overlaps_by_contact() FROM PUBLIC;

-- connection_paths.predicted_edges()
--
-- Predicts the number of edges of each contact to contacts with a greater id.
--
-- Parameters
--     none
-- Returns
--     One row for each contact with a usable work experience at an organization that exists.
--     contact_id  The contact.
--     edges       The predicted number. It may have a fraction.
-- Errors
--     none
-- Reads
--     employments, live_organizations
-- Writes
--     none
-- Used by
--     create_run
-- Why
--     create_run divides a run into batches of about the same number of edges. An edge belongs to the batch of its
--     smaller contact id, so only neighbours with a greater id count.
--
--     The function first gives each contact a weight: the number of work experiences at the organizations where the
--     contact worked. It counts the edges of 300 contacts and divides them by their weight. Then it multiplies the
--     weight of each contact by that ratio and by the share of contacts with a greater id. This takes one pass over the
--     work experiences. overlaps_by_contact is more exact and takes ten times as long.
--
--     MATERIALIZED: in tables that were never analysed, the planner expects one contact. Otherwise it counts the
--     edges of the 300 contacts again for each contact: minutes instead of 0.4 s for 4,000 contacts.
CREATE OR REPLACE FUNCTION connection_paths.predicted_edges()
RETURNS TABLE (contact_id bigint, edges double precision)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    WITH sizes AS MATERIALIZED (
        SELECT e.organization_id, count(*) AS people
        FROM connection_paths.employments AS e
        WHERE e.organization_id IN (SELECT o.id FROM connection_paths.live_organizations AS o)
        GROUP BY e.organization_id
    ),
    weights AS MATERIALIZED (
        SELECT e.contact_id, sum(s.people)::double precision AS weight
        FROM connection_paths.employments AS e
        JOIN sizes AS s ON s.organization_id = e.organization_id
        WHERE e.contact_id IS NOT NULL
        GROUP BY e.contact_id
    ),
    sample AS MATERIALIZED (
        SELECT sum(d.degree) / sum(d.weight) AS edges_per_weight
        FROM (
            SELECT
                w.weight,
                (SELECT count(*) FROM connection_paths.work_overlaps(w.contact_id)) AS degree
            FROM (
                SELECT v.contact_id, v.weight
                FROM weights AS v
                ORDER BY pg_catalog.hashint8(v.contact_id)
                LIMIT 300
            ) AS w
        ) AS d
    )
    SELECT
        w.contact_id,
        w.weight * s.edges_per_weight * (1 - cume_dist() OVER (ORDER BY w.contact_id))
    FROM weights AS w
    CROSS JOIN sample AS s;
END;

COMMENT ON FUNCTION connection_paths.predicted_edges() IS 'About how many edges each contact will have to contacts with a greater id';

REVOKE ALL ON FUNCTION connection_paths.predicted_edges() FROM PUBLIC;

-- connection_paths.create_run(strategy, batch_edges)
--
-- Creates a run with all of its batches.
--
-- Parameters
--     strategy     'rebuild': the run fills a new table, and exchanges it for the live table at the end.
--                  'in_place': the run corrects the rows of the live table that are wrong. Required.
--     batch_edges  About how many edges a batch should have, at least 1. NULL: one 64th of all edges, but at least
--                  2,000 and at most 50,000.
-- Returns
--     The id of the run. The run has the status running and can be worked on.
-- Errors
--     22023  strategy or batch_edges has a value that is not allowed.
--     42501  strategy is 'rebuild', and the role may not exchange the tables.
--     55000  strategy is 'rebuild', and the tables cannot be exchanged: see require_exchangeable.
--     CP003  Another run is running or paused.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     backfill_runs
-- Writes
--     backfill_runs, backfill_batches
-- Used by
--     operators, orchestrator/runs/backfill.py
-- Why
--     predicted_edges predicts the edges of each contact. Each batch is a range of contact ids with about the same
--     number of predicted edges, so batches take about the same time. The ranges cover every bigint exactly once. So
--     contacts that are inserted later, and contacts that no longer exist but have edges, also belong to a batch.
--
--     MATERIALIZED: the size of a batch is computed once, and not for each contact, also where the planner expects one.
CREATE OR REPLACE FUNCTION connection_paths.create_run(strategy text, batch_edges bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    new_run_id bigint;
    active_run_id bigint;
BEGIN
    IF create_run.strategy IS NULL OR create_run.strategy NOT IN ('in_place', 'rebuild') THEN
        RAISE EXCEPTION 'strategy must not be %', COALESCE(quote_literal(create_run.strategy), 'null')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use in_place or rebuild.';
    END IF;
    IF create_run.batch_edges < 1 THEN
        RAISE EXCEPTION 'batch_edges must not be %', create_run.batch_edges
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use 1 or more.';
    END IF;

    PERFORM connection_paths.require_sources();
    BEGIN
        INSERT INTO connection_paths.backfill_runs (strategy) VALUES (create_run.strategy)
        RETURNING run_id INTO new_run_id;
    EXCEPTION
        WHEN unique_violation THEN
            SELECT r.run_id
            INTO active_run_id
            FROM connection_paths.backfill_runs AS r
            WHERE r.is_active;
            RAISE EXCEPTION 'run % is under way', active_run_id
                USING ERRCODE = 'CP003', HINT = 'Join it: orchestrator backfill. Or cancel it: cancel_run.';
    END;

    WITH loads AS MATERIALIZED (
        SELECT p.contact_id, p.edges
        FROM connection_paths.predicted_edges() AS p
    ),
    size AS MATERIALIZED (
        SELECT
            COALESCE(
                create_run.batch_edges,
                LEAST(GREATEST(sum(l.edges) / 64, 2000), 50000)
            ) AS edges
        FROM loads AS l
    ),
    -- Each contact counts as one more edge. Otherwise a batch could have any number of contacts without edges.
    parts AS (
        SELECT
            l.contact_id,
            l.edges,
            floor(
                (sum(l.edges + 1) OVER (ORDER BY l.contact_id) - (l.edges + 1)) / s.edges
            ) AS part
        FROM loads AS l
        CROSS JOIN size AS s
    ),
    ranges AS (
        SELECT max(p.contact_id) AS upto_contact_id, sum(p.edges) AS edges
        FROM parts AS p
        GROUP BY p.part
        UNION ALL
        SELECT NULL, 0
        WHERE NOT EXISTS (SELECT FROM parts)
    )
    INSERT INTO connection_paths.backfill_batches (run_id, above_contact_id, upto_contact_id, predicted_edges)
    SELECT
        new_run_id,
        lag(r.upto_contact_id) OVER in_order,
        CASE WHEN lead(r.edges) OVER in_order IS NOT NULL THEN r.upto_contact_id END,
        ceil(r.edges)
    FROM ranges AS r
    WINDOW in_order AS (ORDER BY r.upto_contact_id)
    ORDER BY r.upto_contact_id;

    IF create_run.strategy = 'rebuild' THEN
        PERFORM connection_paths.prepare_rebuild();
    END IF;
    RETURN new_run_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.create_run(text, bigint) IS 'Creates a backfill run with all of its batches: in_place or rebuild; returns its id';

REVOKE ALL ON FUNCTION connection_paths.create_run(text, bigint) FROM PUBLIC;

-- connection_paths.finish_run(run_id, receipt)
--
-- Marks a run as succeeded after all of its batches are done or set aside.
--
-- Parameters
--     run_id   The run. Required.
--     receipt  A report to store with the run, for example latencies before and during it. NULL: none.
-- Returns
--     The status of the run: 'succeeded', or 'succeeded with exceptions' when batches were set aside. For a run that is
--     already finished, the function changes nothing and returns its status.
-- Errors
--     02000  There is no such run.
--     CP002  The run has batches that are not done, is cancelled, or is a rebuild whose tables are not exchanged.
-- Reads
--     backfill_runs, backfill_batches
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/driver.py
-- Why
--     Workers may commit batches with synchronous_commit = off. This function sets it on for its own transaction. Its
--     COMMIT then waits until the WAL is on disk, with all earlier commits of the workers. So a crash of the server
--     does not undo a run that was reported as succeeded. Synchronous standbys have the commit, too. An asynchronous
--     standby may lack it. After a failover to such a standby, the run has the status running again.
CREATE OR REPLACE FUNCTION connection_paths.finish_run(run_id bigint, receipt jsonb DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run record;
    outcome text;
BEGIN
    IF current_setting('synchronous_commit') <> 'remote_apply' THEN -- remote_apply already waits longer than 'on'
        PERFORM pg_catalog.set_config('synchronous_commit', 'on', true);
    END IF;
    PERFORM connection_paths.require_batches_done(finish_run.run_id);
    SELECT r.strategy, r.status, r.phase
    INTO run
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = finish_run.run_id
    FOR NO KEY UPDATE;
    IF run.phase = 'finished' THEN
        RETURN run.status;
    END IF;
    IF run.status = 'cancelled' OR (run.strategy = 'rebuild' AND run.phase <> 'exchanged') THEN
        RAISE EXCEPTION 'run % cannot be finished: its status is %, its phase %', run_id, run.status, run.phase
            USING ERRCODE = 'CP002', HINT = 'Run `orchestrator backfill`: it does the missing steps.';
    END IF;

    IF run.strategy = 'rebuild' THEN
        PERFORM connection_paths.drop_rebuild();
    END IF;
    SELECT CASE WHEN bool_or(b.status = 'set aside') THEN 'succeeded with exceptions' ELSE 'succeeded' END
    INTO outcome
    FROM connection_paths.backfill_batches AS b
    WHERE b.run_id = finish_run.run_id;
    UPDATE connection_paths.backfill_runs AS r
    SET status = outcome, phase = 'finished', finished_at = clock_timestamp(), receipt = finish_run.receipt
    WHERE r.run_id = finish_run.run_id;
    RETURN outcome;
END
$function$;

COMMENT ON FUNCTION connection_paths.finish_run(bigint, jsonb) IS 'Marks a run as succeeded, or as succeeded with exceptions when batches were set aside';

REVOKE ALL ON FUNCTION connection_paths.finish_run(bigint, jsonb) FROM PUBLIC;

-- connection_paths.lock_active_run(run_id)
--
-- Locks the row of a run that is running or paused, until the end of the transaction.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     The status of the run: running or paused.
-- Errors
--     02000  There is no such run.
--     55000  The run is over: cancelled or succeeded.
-- Reads
--     backfill_runs
-- Writes
--     none
-- Used by
--     pause_run, resume_run, set_max_workers
CREATE OR REPLACE FUNCTION connection_paths.lock_active_run(run_id bigint)
RETURNS text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run record;
BEGIN
    SELECT r.status, r.is_active
    INTO run
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = lock_active_run.run_id
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no run %', run_id
            USING ERRCODE = '02000', HINT = 'The view backfill_progress lists all runs.';
    END IF;
    IF NOT run.is_active THEN
        RAISE EXCEPTION 'run % is over: %', run_id, run.status
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Create another run: create_run.';
    END IF;
    RETURN run.status;
END
$function$;

COMMENT ON FUNCTION connection_paths.lock_active_run(bigint) IS 'Locks the row of a run that is running or paused; raises an error for other runs';

REVOKE ALL ON FUNCTION connection_paths.lock_active_run(bigint) FROM PUBLIC;

-- connection_paths.pause_run(run_id)
--
-- Pauses a run: no worker claims a batch of the run until resume_run is called.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the run was running; false when it was already paused. Workers finish the batches that they hold.
-- Errors
--     02000  There is no such run.
--     55000  The run is over: cancelled or succeeded.
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/runs.py
CREATE OR REPLACE FUNCTION connection_paths.pause_run(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF connection_paths.lock_active_run(pause_run.run_id) = 'paused' THEN
        RETURN false;
    END IF;
    UPDATE connection_paths.backfill_runs AS r SET status = 'paused' WHERE r.run_id = pause_run.run_id;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.pause_run(bigint) IS 'Pauses a run: no worker claims a batch of it until resume_run';

REVOKE ALL ON FUNCTION connection_paths.pause_run(bigint) FROM PUBLIC;

-- connection_paths.resume_run(run_id)
--
-- Resumes a paused run: workers claim batches of it again.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the run was paused; false when it was already running.
-- Errors
--     02000  There is no such run.
--     55000  The run is over: cancelled or succeeded.
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/runs.py
CREATE OR REPLACE FUNCTION connection_paths.resume_run(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF connection_paths.lock_active_run(resume_run.run_id) = 'running' THEN
        RETURN false;
    END IF;
    UPDATE connection_paths.backfill_runs AS r SET status = 'running' WHERE r.run_id = resume_run.run_id;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.resume_run(bigint) IS 'Resumes a paused run: workers claim batches of it again';

REVOKE ALL ON FUNCTION connection_paths.resume_run(bigint) FROM PUBLIC;

-- connection_paths.set_max_workers(run_id, max_workers)
--
-- Limits how many workers of all processes and machines may work on a run at the same time.
--
-- Parameters
--     run_id       The run. NULL is an unknown run.
--     max_workers  How many workers, 0 or more. NULL: no limit. Workers obey it when they claim the next batch.
-- Returns
--     Nothing.
-- Errors
--     02000  There is no such run.
--     23514  max_workers is negative.
--     55000  The run is over: cancelled or succeeded.
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/runs.py
CREATE OR REPLACE FUNCTION connection_paths.set_max_workers(run_id bigint, max_workers integer)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM connection_paths.lock_active_run(set_max_workers.run_id);
    UPDATE connection_paths.backfill_runs AS r
    SET max_workers = set_max_workers.max_workers
    WHERE r.run_id = set_max_workers.run_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.set_max_workers(bigint, integer) IS 'Limits how many workers may work on a run at the same time; NULL: no limit';

REVOKE ALL ON FUNCTION connection_paths.set_max_workers(bigint, integer) FROM PUBLIC;

-- connection_paths.request_cancel(run_id)
--
-- Cancels a run at once, without dropping the tables of a rebuild: cancel_run drops them.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the run was running or paused. false when it was already over, or when there is no such run.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     cancel_run, orchestrator/runs/runs.py
-- Why
--     cancel_run may have to wait until the batches in progress have ended. Call this function before it, in another
--     transaction. After its COMMIT no worker begins another batch, so the wait is short. `orchestrator backfill` calls
--     cancel_run for the run that it works on.
CREATE OR REPLACE FUNCTION connection_paths.request_cancel(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE connection_paths.backfill_runs AS r
    SET status = 'cancelled'
    WHERE r.run_id = request_cancel.run_id AND r.is_active;
    RETURN FOUND;
END
$function$;

COMMENT ON FUNCTION connection_paths.request_cancel(bigint) IS 'Cancels a run at once; cancel_run then drops the tables of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.request_cancel(bigint) FROM PUBLIC;

-- connection_paths.cancel_run(run_id)
--
-- Cancels a run, and drops the tables that the run has created when it is a rebuild.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the run was running or paused, or when request_cancel has cancelled it and this function has not
--     been called for it since. false for other runs.
-- Errors
--     25001  The transaction is not READ COMMITTED.
-- Reads
--     backfill_runs, rebuild_missing_contacts
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/runs.py
-- Why
--     The edges that a run in place has written stay. For a rebuild, the function waits until the batches in progress
--     have ended, because they hold locks on the table that it drops.
--
--     This function and prepare_rebuild both lock rebuild_missing_contacts. So no rebuild creates its tables while this
--     function drops the tables of another rebuild. All rebuilds use the same table names. When another rebuild is
--     already active, the tables belong to that rebuild, and this function does not drop them.
CREATE OR REPLACE FUNCTION connection_paths.cancel_run(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run_strategy text;
BEGIN
    PERFORM connection_paths.require_read_committed();
    LOCK TABLE connection_paths.rebuild_missing_contacts IN SHARE ROW EXCLUSIVE MODE;
    PERFORM connection_paths.request_cancel(cancel_run.run_id);
    UPDATE connection_paths.backfill_runs AS r
    SET phase = 'finished', finished_at = COALESCE(r.finished_at, clock_timestamp())
    WHERE r.run_id = cancel_run.run_id AND r.status = 'cancelled' AND r.phase <> 'finished'
    RETURNING r.strategy INTO run_strategy;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF run_strategy = 'rebuild' AND NOT EXISTS (
        -- another rebuild, to which the tables now belong
        SELECT
        FROM connection_paths.backfill_runs AS r
        WHERE r.is_active AND r.strategy = 'rebuild'
    ) THEN
        PERFORM connection_paths.drop_rebuild();
    END IF;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.cancel_run(bigint) IS 'Cancels a run and drops the tables that a rebuild has created';

REVOKE ALL ON FUNCTION connection_paths.cancel_run(bigint) FROM PUBLIC;

-- connection_paths.wake_listener()
--
-- Wakes `orchestrator sync --follow` if it sleeps.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     queue_added_or_removed, queue_changed_experiences, queue_changes, queue_decided_names, queue_everyone,
--     queue_policy_changes, queue_replicated_row
-- Why
--     NOTIFY makes commits wait for each other. So a writer notifies only while a listener sleeps. A sleeping listener
--     holds an advisory lock exclusively, and the writer tries to share it. A writer that gets the lock keeps it until
--     its transaction ends. A listener cannot get the lock, and so cannot fall asleep, until that writer has committed.
--     So a listener never sleeps while there are changes.
--
--     A transaction that is prepared for two-phase commit cannot notify. So where the server allows prepared
--     transactions, no writer notifies, and the listener looks at the queue every few seconds.
CREATE OR REPLACE FUNCTION connection_paths.wake_listener()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared(connection_paths.advisory_key('listener', 0))
        AND current_setting('max_prepared_transactions') = '0'
    THEN
        PERFORM pg_notify('connection_paths_changes', '');
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.wake_listener() IS 'Wakes orchestrator sync --follow if it sleeps; part of the triggers';

REVOKE ALL ON FUNCTION connection_paths.wake_listener() FROM PUBLIC;

-- connection_paths.record_capture_failure(table_oid, error)
--
-- Records that a trigger could not queue a change of a table.
--
-- Parameters
--     table_oid  The table that was written. Required.
--     error      The error that the trigger caught. Required.
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     capture_failures
-- Writes
--     capture_failures
-- Used by
--     queue_added_or_removed, queue_changed_experiences, queue_replicated_row
-- Why
--     The table gets about one row for each table of the application, however many statements fail: a writer that sees
--     an open row adds none. No writer updates a row, so writers do not wait for each other. After recover_capture has
--     closed a row, the next failure adds another one.
--
--     A REPEATABLE READ transaction may see a row as open that was closed long ago, so it trusts only its own row. A
--     SERIALIZABLE transaction does not read the table: reading the rows of others could make one of them fail to
--     commit.
CREATE OR REPLACE FUNCTION connection_paths.record_capture_failure(table_oid oid, error text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_current_xact_id_if_assigned() IS NULL THEN
        RETURN; -- the statement wrote nothing
    END IF;
    IF current_setting('transaction_isolation') <> 'serializable' AND EXISTS (
        SELECT
        FROM connection_paths.capture_failures AS f
        WHERE f.table_oid = record_capture_failure.table_oid
            AND f.closed_by IS NULL
            AND (
                f.written_by = pg_current_xact_id()
                OR current_setting('transaction_isolation') <> 'repeatable read'
            )
    ) THEN
        RETURN;
    END IF;
    INSERT INTO connection_paths.capture_failures (table_oid, table_name, error)
    SELECT
        record_capture_failure.table_oid,
        quote_ident(n.nspname) || '.' || quote_ident(c.relname),
        record_capture_failure.error
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = record_capture_failure.table_oid;
END
$function$;

COMMENT ON FUNCTION connection_paths.record_capture_failure(oid, text) IS 'Records that a trigger could not queue a change; part of the triggers';

REVOKE ALL ON FUNCTION connection_paths.record_capture_failure(oid, text) FROM PUBLIC;

-- connection_paths.queue_changed_experiences()
--
-- Trigger function that queues the contacts whose work experiences a statement changed.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     trigger on contact_work_experiences
-- Why
--     A statement costs one INSERT, however many rows it wrote, into a table without an index or a constraint. An
--     UPDATE queues nothing when it changes no column that the contact, the organization, the dates and the rule of the
--     mapping are read from. TRUNCATE queues every contact. The columns are compared as they are in the table, so an
--     expression of the mapping that fails for a row does not keep its change from being queued.
--
--     The trigger runs in the transaction of the writer. So the change and its queue row are committed together or not
--     at all. SECURITY DEFINER: the writer needs no rights in connection_paths.
--
--     The statement of the writer never fails because of this trigger. Everything that may raise an error (a column was
--     renamed, dropped or changed its type; the queue is missing) is in a block that catches the error. The block
--     writes nothing, so its subtransaction gets no transaction id. Otherwise a transaction of many statements would
--     slow down every snapshot of the server. record_capture_failure records the error. When even that fails, for
--     example because the function is missing, the client gets a warning. These blocks stand in every trigger function:
--     a function that they share could be missing as well.
--
--     The text of this function depends on the mapping of the tables: orchestrator/host/binding.py. A column of the
--     table may have the name of a variable; variable_conflict then takes the column.
--
--     COALESCE with a bigint, around a contact id that is a column: PostgreSQL rejects an id of another type before it
--     looks for a cast. The owner of the table could create a cast, and its function would run with the rights of the
--     owner of the package.
CREATE OR REPLACE FUNCTION connection_paths.queue_changed_experiences()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    contact_ids bigint[];
    failure text;
BEGIN
    BEGIN
        IF TG_OP = 'INSERT' THEN
            contact_ids := ARRAY(
                SELECT DISTINCT COALESCE("contact_id", NULL::bigint) FROM new_rows AS n WHERE COALESCE("contact_id", NULL::bigint) IS NOT NULL
            );
        ELSIF TG_OP = 'DELETE' THEN
            contact_ids := ARRAY(
                SELECT DISTINCT COALESCE("contact_id", NULL::bigint) FROM old_rows AS o WHERE COALESCE("contact_id", NULL::bigint) IS NOT NULL
            );
        ELSIF TG_OP = 'UPDATE' THEN
            -- the rows of which there are more or fewer than before; this needs no key
            contact_ids := ARRAY(
                SELECT DISTINCT s.connection_paths_id
                FROM (
                    SELECT COALESCE("contact_id", NULL::bigint) AS connection_paths_id, "contact_id", "organization_id", "date_from", "date_to", 1 AS connection_paths_sign
                    FROM new_rows AS n
                    UNION ALL
                    SELECT COALESCE("contact_id", NULL::bigint), "contact_id", "organization_id", "date_from", "date_to", -1
                    FROM old_rows AS o
                ) AS s
                WHERE s.connection_paths_id IS NOT NULL
                GROUP BY s.connection_paths_id, "contact_id", "organization_id", "date_from", "date_to"
                HAVING sum(s.connection_paths_sign) <> 0
            );
        ELSE
            contact_ids := ARRAY[NULL]::bigint[]; -- every contact
        END IF;
        IF cardinality(contact_ids) = 0 THEN
            RETURN NULL;
        END IF;
        -- raises where the INSERT below would raise, because the table, a column or a right is missing
        INSERT INTO connection_paths.contact_changes (contact_id) SELECT NULL::bigint WHERE false;
        PERFORM connection_paths.wake_listener();
    EXCEPTION
        WHEN OTHERS THEN
            failure := SQLERRM || ' [SQLSTATE ' || SQLSTATE || ']';
    END;

    IF failure IS NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id) SELECT c.id FROM unnest(contact_ids) AS c (id);
        RETURN NULL;
    END IF;
    BEGIN
        PERFORM connection_paths.record_capture_failure(TG_RELID, failure);
    EXCEPTION
        WHEN OTHERS THEN
            RAISE WARNING 'connection_paths cannot queue a change of %.%: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, failure;
    END;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_changed_experiences() IS 'Trigger: queues the contacts whose work experiences a statement changed';

REVOKE ALL ON FUNCTION connection_paths.queue_changed_experiences() FROM PUBLIC;

-- connection_paths.queue_added_or_removed()
--
-- Trigger function that queues the contacts or organizations that a statement inserted or deleted.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     trigger on contacts, trigger on organizations
-- Why
--     The argument of the trigger is 'contact' or 'organization': what the table contains. The function queues one row
--     for each contact or organization. sync_changes finds the contacts that worked at an organization, so the
--     statement of the writer does not take longer for that. An UPDATE counts only when it changes the id, or a column
--     that the rule of the mapping reads. A row that is updated may be queued twice. A new contact is queued even when
--     it has no work experiences yet, because an open transaction may have written some. TRUNCATE queues every contact.
--
--     SECURITY DEFINER, the exception block and COALESCE: see queue_changed_experiences. An error while reading the
--     changed rows is recorded by record_capture_failure.
CREATE OR REPLACE FUNCTION connection_paths.queue_added_or_removed()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    ids bigint[];
    failure text;
BEGIN
    BEGIN
        IF TG_OP = 'TRUNCATE' THEN
            ids := ARRAY[NULL]::bigint[]; -- every contact
        ELSIF TG_OP = 'INSERT' AND TG_ARGV[0] = 'contact' THEN
            ids := ARRAY(SELECT COALESCE("id", NULL::bigint) FROM new_rows AS n WHERE COALESCE("id", NULL::bigint) IS NOT NULL);
        ELSIF TG_OP = 'DELETE' AND TG_ARGV[0] = 'contact' THEN
            ids := ARRAY(SELECT COALESCE("id", NULL::bigint) FROM old_rows AS o WHERE COALESCE("id", NULL::bigint) IS NOT NULL);
        ELSIF TG_OP = 'UPDATE' AND TG_ARGV[0] = 'contact' THEN
            ids := ARRAY(
                SELECT s.connection_paths_id
                FROM (
                    SELECT COALESCE("id", NULL::bigint) AS connection_paths_id, "id", 1 AS connection_paths_sign
                    FROM new_rows AS n
                    UNION ALL
                    SELECT COALESCE("id", NULL::bigint), "id", -1
                    FROM old_rows AS o
                ) AS s
                WHERE s.connection_paths_id IS NOT NULL
                GROUP BY s.connection_paths_id, "id"
                HAVING sum(s.connection_paths_sign) <> 0
            );
        ELSIF TG_OP = 'INSERT' AND TG_ARGV[0] = 'organization' THEN
            ids := ARRAY(SELECT COALESCE("id", NULL::bigint) FROM new_rows AS n WHERE COALESCE("id", NULL::bigint) IS NOT NULL);
        ELSIF TG_OP = 'DELETE' AND TG_ARGV[0] = 'organization' THEN
            ids := ARRAY(SELECT COALESCE("id", NULL::bigint) FROM old_rows AS o WHERE COALESCE("id", NULL::bigint) IS NOT NULL);
        ELSIF TG_OP = 'UPDATE' AND TG_ARGV[0] = 'organization' THEN
            ids := ARRAY(
                SELECT s.connection_paths_id
                FROM (
                    SELECT COALESCE("id", NULL::bigint) AS connection_paths_id, "id", 1 AS connection_paths_sign
                    FROM new_rows AS n
                    UNION ALL
                    SELECT COALESCE("id", NULL::bigint), "id", -1
                    FROM old_rows AS o
                ) AS s
                WHERE s.connection_paths_id IS NOT NULL
                GROUP BY s.connection_paths_id, "id"
                HAVING sum(s.connection_paths_sign) <> 0
            );
        END IF;
        IF cardinality(ids) = 0 THEN
            RETURN NULL;
        END IF;
        -- raises where the INSERT below would raise, because the table, a column or a right is missing
        INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
        SELECT NULL::bigint, NULL::bigint WHERE false;
        PERFORM connection_paths.wake_listener();
    EXCEPTION
        WHEN OTHERS THEN
            failure := SQLERRM || ' [SQLSTATE ' || SQLSTATE || ']';
    END;

    IF failure IS NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
        SELECT
            CASE TG_ARGV[0] WHEN 'contact' THEN c.id END,
            CASE TG_ARGV[0] WHEN 'organization' THEN c.id END
        FROM unnest(ids) AS c (id);
        RETURN NULL;
    END IF;
    BEGIN
        PERFORM connection_paths.record_capture_failure(TG_RELID, failure);
    EXCEPTION
        WHEN OTHERS THEN
            RAISE WARNING 'connection_paths cannot queue a change of %.%: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, failure;
    END;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_added_or_removed() IS 'Trigger: queues the contacts or organizations that a statement inserted or deleted';

REVOKE ALL ON FUNCTION connection_paths.queue_added_or_removed() FROM PUBLIC;

-- connection_paths.queue_replicated_row()
--
-- Trigger function that queues the change of one row that logical replication or a replica session wrote.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     trigger on contacts, trigger on organizations, trigger on contact_work_experiences
-- Why
--     The argument of the trigger is 'contact', 'organization' or 'experience': what the table contains.
--
--     Logical replication fires no statement triggers, and a session with session_replication_role = replica fires only
--     triggers that are enabled for replicas. This trigger is enabled for replicas only. So for every change exactly
--     one trigger fires: this one or a statement trigger. This function queues the same as queue_added_or_removed and
--     queue_changed_experiences, one row at a time.
--
--     SECURITY DEFINER, the exception block and COALESCE: see queue_changed_experiences.
CREATE OR REPLACE FUNCTION connection_paths.queue_replicated_row()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    before_id bigint;
    after_id bigint;
    is_changed boolean := true;
    failure text;
BEGIN
    BEGIN
        IF TG_ARGV[0] = 'experience' THEN
            before_id := CASE WHEN TG_OP <> 'INSERT' THEN COALESCE(OLD."contact_id", NULL::bigint) END;
            after_id := CASE WHEN TG_OP <> 'DELETE' THEN COALESCE(NEW."contact_id", NULL::bigint) END;
            IF TG_OP = 'UPDATE' THEN
                is_changed := ROW(OLD."contact_id", OLD."organization_id", OLD."date_from", OLD."date_to") IS DISTINCT FROM ROW(NEW."contact_id", NEW."organization_id", NEW."date_from", NEW."date_to");
            END IF;
        ELSIF TG_ARGV[0] = 'contact' THEN
            before_id := CASE WHEN TG_OP <> 'INSERT' THEN COALESCE(OLD."id", NULL::bigint) END;
            after_id := CASE WHEN TG_OP <> 'DELETE' THEN COALESCE(NEW."id", NULL::bigint) END;
            IF TG_OP = 'UPDATE' THEN
                is_changed := ROW(OLD."id") IS DISTINCT FROM ROW(NEW."id");
            END IF;
        ELSIF TG_ARGV[0] = 'organization' THEN
            before_id := CASE WHEN TG_OP <> 'INSERT' THEN COALESCE(OLD."id", NULL::bigint) END;
            after_id := CASE WHEN TG_OP <> 'DELETE' THEN COALESCE(NEW."id", NULL::bigint) END;
            IF TG_OP = 'UPDATE' THEN
                is_changed := ROW(OLD."id") IS DISTINCT FROM ROW(NEW."id");
            END IF;
        END IF;
        IF NOT is_changed OR COALESCE(before_id, after_id) IS NULL THEN
            RETURN NULL;
        END IF;
        -- raises where the INSERT below would raise, because the table, a column or a right is missing
        INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
        SELECT NULL::bigint, NULL::bigint WHERE false;
        PERFORM connection_paths.wake_listener();
    EXCEPTION
        WHEN OTHERS THEN
            failure := SQLERRM || ' [SQLSTATE ' || SQLSTATE || ']';
    END;

    IF failure IS NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
        SELECT
            CASE WHEN TG_ARGV[0] <> 'organization' THEN c.id END,
            CASE WHEN TG_ARGV[0] = 'organization' THEN c.id END
        FROM (SELECT before_id UNION SELECT after_id) AS c (id)
        WHERE c.id IS NOT NULL;
        RETURN NULL;
    END IF;
    BEGIN
        PERFORM connection_paths.record_capture_failure(TG_RELID, failure);
    EXCEPTION
        WHEN OTHERS THEN
            RAISE WARNING 'connection_paths cannot queue a change of %.%: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, failure;
    END;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_replicated_row() IS 'Trigger: queues the change of one row that logical replication or a replica session wrote';

REVOKE ALL ON FUNCTION connection_paths.queue_replicated_row() FROM PUBLIC;

-- connection_paths.queue_decided_names()
--
-- Trigger function that records changes of name_decisions and queues the names.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     none
-- Reads
--     name_decisions
-- Writes
--     name_decision_history, name_changes
-- Used by
--     trigger on name_decisions
-- Why
--     The function queues the name and not its contacts. A work experience with this name may have been written by a
--     transaction that has not ended, so this transaction cannot see all contacts. sync_changes finds them later: see
--     queue_named_contacts. A change that leaves the organization as it was queues nothing.
--
--     SECURITY DEFINER: a role needs only rights on name_decisions. An error of this trigger is an error of the
--     statement, because name_decisions belongs to the package.
CREATE OR REPLACE FUNCTION connection_paths.queue_decided_names()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO connection_paths.name_decision_history (company_name, after, batch_id)
        SELECT n.company_name, to_jsonb(n), n.batch_id
        FROM new_rows AS n;
        INSERT INTO connection_paths.name_changes (company_name)
        SELECT n.company_name FROM new_rows AS n WHERE n.organization_id IS NOT NULL;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO connection_paths.name_decision_history (company_name, before, after, batch_id)
        SELECT COALESCE(n.company_name, o.company_name), to_jsonb(o), to_jsonb(n), n.batch_id
        FROM old_rows AS o
        FULL JOIN new_rows AS n ON n.company_name = o.company_name
        WHERE n IS DISTINCT FROM o;
        INSERT INTO connection_paths.name_changes (company_name)
        SELECT COALESCE(n.company_name, o.company_name)
        FROM old_rows AS o
        FULL JOIN new_rows AS n ON n.company_name = o.company_name
        WHERE n.organization_id IS DISTINCT FROM o.organization_id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO connection_paths.name_decision_history (company_name, before)
        SELECT o.company_name, to_jsonb(o)
        FROM old_rows AS o;
        INSERT INTO connection_paths.name_changes (company_name)
        SELECT o.company_name FROM old_rows AS o WHERE o.organization_id IS NOT NULL;
    ELSE
        INSERT INTO connection_paths.name_decision_history (company_name, before)
        SELECT d.company_name, to_jsonb(d)
        FROM connection_paths.name_decisions AS d;
        INSERT INTO connection_paths.name_changes (company_name)
        SELECT d.company_name FROM connection_paths.name_decisions AS d WHERE d.organization_id IS NOT NULL;
    END IF;
    PERFORM connection_paths.wake_listener();
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_decided_names() IS 'Trigger: records changes of name_decisions, and queues the names for sync';

REVOKE ALL ON FUNCTION connection_paths.queue_decided_names() FROM PUBLIC;

-- connection_paths.queue_changes(contact_ids, organization_ids)
--
-- Queues contacts and organizations whose rows were written where triggers do not fire.
--
-- Parameters
--     contact_ids       Contacts that were inserted or deleted, or whose work experiences changed. The default is none.
--                       NULL and NULL elements are ignored.
--     organization_ids  Organizations that were inserted or deleted. The default is none. NULL and NULL elements are
--                       ignored.
-- Returns
--     The number of queue rows that were written. Repeated elements count once.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     applications
-- Why
--     Call the function in the transaction that wrote the rows, so that the change and its queue row are committed
--     together. To queue every contact, call queue_everyone: empty arguments never mean that.
--     SECURITY DEFINER: a role needs only GRANT EXECUTE.
CREATE OR REPLACE FUNCTION connection_paths.queue_changes(
    contact_ids bigint[] DEFAULT '{}',
    organization_ids bigint[] DEFAULT '{}'
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    queued bigint;
BEGIN
    INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
    SELECT c.id, NULL FROM unnest(queue_changes.contact_ids) AS c (id) WHERE c.id IS NOT NULL
    UNION
    SELECT NULL, o.id FROM unnest(queue_changes.organization_ids) AS o (id) WHERE o.id IS NOT NULL;
    GET DIAGNOSTICS queued = ROW_COUNT;
    IF queued > 0 THEN
        PERFORM connection_paths.wake_listener();
    END IF;
    RETURN queued;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_changes(bigint[], bigint[]) IS 'Queues contacts and organizations whose rows were written where no trigger fires; sync refreshes their edges';

REVOKE ALL ON FUNCTION connection_paths.queue_changes(bigint[], bigint[]) FROM PUBLIC;

-- connection_paths.queue_everyone()
--
-- Queues every contact, for changes whose contacts are unknown.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     attach_source, applications
-- Why
--     The next sync refreshes every contact, which takes about as long as a backfill in place.
--     SECURITY DEFINER: a role needs only GRANT EXECUTE.
CREATE OR REPLACE FUNCTION connection_paths.queue_everyone()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL);
    PERFORM connection_paths.wake_listener();
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_everyone() IS 'Queues every contact: sync refreshes all edges';

REVOKE ALL ON FUNCTION connection_paths.queue_everyone() FROM PUBLIC;

-- connection_paths.capture_works(table_oid)
--
-- Checks whether the triggers of a table can queue its changes.
--
-- Parameters
--     table_oid  A table of the application. It need not exist.
-- Returns
--     true when the columns that the triggers read exist with the types that they need, and the owner of the trigger
--     functions may write to the queue. Also true when the table does not exist or has no triggers of the package.
-- Errors
--     none
-- Reads
--     contact_changes
-- Writes
--     none
-- Used by
--     detach_source, recover_capture, orchestrator/host/sources.py, sql/queries/changes/changes_left.sql,
--     sql/queries/host/capture_failures.sql
CREATE OR REPLACE FUNCTION connection_paths.capture_works(table_oid oid)
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname = 'connection_paths'
        JOIN (
            VALUES ('contacts'::text, 'id'::text, '{smallint,integer,bigint}'::text[]), ('organizations'::text, 'id'::text, '{smallint,integer,bigint}'::text[]), ('contact_work_experiences'::text, 'contact_id'::text, '{smallint,integer,bigint}'::text[]), ('contact_work_experiences'::text, 'organization_id'::text, NULL::text[]), ('contact_work_experiences'::text, 'date_from'::text, NULL::text[]), ('contact_work_experiences'::text, 'date_to'::text, NULL::text[])
        ) AS r (source, column_name, type_names) ON r.source = CASE
            WHEN p.proname = 'queue_changed_experiences' THEN 'contact_work_experiences'
            -- the argument of the trigger: what the table contains
            WHEN p.proname = 'queue_added_or_removed' THEN rtrim(encode(t.tgargs, 'escape'), '\0') || 's'
        END
        LEFT JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = t.tgrelid AND a.attname = r.column_name AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
        WHERE t.tgrelid = capture_works.table_oid
            AND (
                a.attname IS NULL
                OR format_type(a.atttypid, NULL) <> ALL (r.type_names) AND y.typtype <> 'd' -- a domain over some id type
                OR NOT has_table_privilege(p.proowner, 'connection_paths.contact_changes'::pg_catalog.regclass, 'INSERT')
            )
    )
$function$;

COMMENT ON FUNCTION connection_paths.capture_works(oid) IS 'Whether the triggers of a table can queue its changes';

REVOKE ALL ON FUNCTION connection_paths.capture_works(oid) FROM PUBLIC;

-- connection_paths.recover_capture()
--
-- Queues every contact after triggers that failed to queue changes work again.
--
-- Parameters
--     none
-- Returns
--     The number of failures that were taken a step further. While it is not 0, call the function again in another
--     transaction. 0: there is no failure, or every failure waits until its triggers work again, or until open
--     transactions have ended.
-- Errors
--     none
-- Reads
--     capture_failures
-- Writes
--     capture_failures, contact_changes
-- Used by
--     sync_changes
-- Why
--     The missed changes are unknown, so every contact must be refreshed, but only after the last missed change is
--     committed. Each call takes each failure one step further, and each step needs a transaction of its own:
--         1. When the triggers of the table work again, the call closes the failure. From now on a writer that fails
--            records a new failure.
--         2. When the closing is committed, the call stores the next transaction id that the server will assign. Every
--            writer that saw the failure open, and so recorded none of its own, has an older id. (The caller's own id
--            would not be enough: it may be older than the id of such a writer.)
--         3. When all transactions before the stored id have ended, the call deletes the failure and queues every
--            contact. No missed change can be committed after this.
--     Rows that another session has locked are skipped. Without failures, a call reads one empty table.
CREATE OR REPLACE FUNCTION connection_paths.recover_capture()
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    failure record;
    steps bigint := 0;
    missed_since timestamptz;
BEGIN
    FOR failure IN
        SELECT f.ctid AS place, f.table_oid, f.failed_at, f.closed_by, f.awaited
        FROM connection_paths.capture_failures AS f
        FOR UPDATE SKIP LOCKED
    LOOP
        IF failure.awaited <= pg_snapshot_xmin(pg_current_snapshot()) THEN
            DELETE FROM connection_paths.capture_failures AS f WHERE f.ctid = failure.place;
            missed_since := LEAST(missed_since, failure.failed_at);
        ELSIF failure.closed_by <> pg_current_xact_id() AND failure.awaited IS NULL THEN
            UPDATE connection_paths.capture_failures AS f
            SET awaited = pg_snapshot_xmax(pg_current_snapshot())
            WHERE f.ctid = failure.place;
        ELSIF failure.closed_by IS NULL AND connection_paths.capture_works(failure.table_oid) THEN
            UPDATE connection_paths.capture_failures AS f
            SET closed_by = pg_current_xact_id()
            WHERE f.ctid = failure.place;
        ELSE
            CONTINUE;
        END IF;
        steps := steps + 1;
    END LOOP;
    IF missed_since IS NOT NULL THEN
        -- the queue row has the time of the oldest missed change, because its age shows how far the edges are behind
        INSERT INTO connection_paths.contact_changes (contact_id, changed_at) VALUES (NULL, missed_since);
    END IF;
    RETURN steps;
END
$function$;

COMMENT ON FUNCTION connection_paths.recover_capture() IS 'Queues every contact once triggers that failed work again and no missed change can be committed later';

REVOKE ALL ON FUNCTION connection_paths.recover_capture() FROM PUBLIC;

-- connection_paths.queue_due_contacts(max_contacts)
--
-- Moves contacts whose scheduled refresh is due from due_changes to the queue.
--
-- Parameters
--     max_contacts  How many contacts to move at most, at least 1. Required.
-- Returns
--     The number of contacts that were moved.
-- Errors
--     none
-- Reads
--     due_changes
-- Writes
--     due_changes, contact_changes
-- Used by
--     sync_changes
-- Why
--     Rows that another session has locked are skipped. A queue row keeps the day when the contact was due, because its
--     age shows how far the edges are behind.
CREATE OR REPLACE FUNCTION connection_paths.queue_due_contacts(max_contacts integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    queued bigint;
BEGIN
    WITH due AS (
        DELETE FROM connection_paths.due_changes AS d
        WHERE d.contact_id = ANY (ARRAY(
            SELECT s.contact_id
            FROM connection_paths.due_changes AS s
            WHERE s.due_on <= CURRENT_DATE
            LIMIT queue_due_contacts.max_contacts
            FOR UPDATE SKIP LOCKED
        ))
        RETURNING d.contact_id, d.due_on
    )
    INSERT INTO connection_paths.contact_changes (contact_id, changed_at)
    SELECT d.contact_id, d.due_on FROM due AS d;
    GET DIAGNOSTICS queued = ROW_COUNT;
    RETURN queued;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_due_contacts(integer) IS 'Moves contacts whose scheduled refresh is due to the queue; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.queue_due_contacts(integer) FROM PUBLIC;

-- connection_paths.queue_named_contacts(max_names)
--
-- Queues the contacts with a work experience whose company name has a changed decision.
--
-- Parameters
--     max_names  How many rows of name_changes to take at most, at least 1. Required.
-- Returns
--     The number of rows of name_changes that were taken.
-- Errors
--     none
-- Reads
--     named_experiences
-- Writes
--     name_changes, contact_changes
-- Used by
--     sync_changes
-- Why
--     Rows that another session has locked are skipped. A queue row keeps the transaction and the time of the decision.
--     The decision is committed before this function looks for the contacts. It may not see a work experience that
--     another transaction is writing. That transaction queues the contact, so sync refreshes it with the decision.
--
--     While company names are not resolved, the view named_experiences does not exist, and decisions make no edges.
CREATE OR REPLACE FUNCTION connection_paths.queue_named_contacts(max_names integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    names text[];
    writers text[];
    times timestamptz[];
BEGIN
    WITH claimed AS (
        DELETE FROM connection_paths.name_changes AS q
        WHERE q.ctid = ANY (ARRAY(
            SELECT c.ctid FROM connection_paths.name_changes AS c LIMIT queue_named_contacts.max_names FOR UPDATE SKIP LOCKED
        ))
        RETURNING q.company_name, q.written_by, q.changed_at
    )
    SELECT array_agg(c.company_name), array_agg(c.written_by::text), array_agg(c.changed_at)
    INTO names, writers, times
    FROM claimed AS c;
    IF names IS NOT NULL AND to_regclass('connection_paths.named_experiences') IS NOT NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, written_by, changed_at)
        SELECT e.contact_id, c.written_by::pg_catalog.xid8, c.changed_at
        FROM unnest(names, writers, times) AS c (company_name, written_by, changed_at)
        CROSS JOIN LATERAL (
            SELECT DISTINCT n.contact_id
            FROM connection_paths.named_experiences AS n
            WHERE n.company_name = c.company_name COLLATE "C" AND n.contact_id IS NOT NULL
            OFFSET 0
        ) AS e;
    END IF;
    RETURN COALESCE(cardinality(names), 0);
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_named_contacts(integer) IS 'Queues the contacts with a work experience whose company name has a changed decision; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.queue_named_contacts(integer) FROM PUBLIC;

-- connection_paths.take_changes(max_changes, retry_failed)
--
-- Deletes rows from the queue and returns their contents, grouped by contact and organization.
--
-- Parameters
--     max_changes   How many queue rows to take at most, at least 1. Required.
--     retry_failed  true: also take the rows that have failed three times. NULL means false.
-- Returns
--     Always one row.
--     taken                     The number of queue rows that were deleted.
--     written_by                The latest transaction that wrote one of them. NULL when taken is 0.
--     everyone_changed_at       The earliest time of a row for every contact. NULL: no such row.
--     organization_ids          The organizations, each once. NULL: none.
--     organizations_changed_at  The earliest time of each organization, in the same order.
--     contact_ids               The contacts, each once, in ascending order. NULL: none.
--     contacts_changed_at       The earliest time of each contact, in the same order.
--     contacts_failures         The largest number of failures of each contact, in the same order.
--     smaller_ends_only         Whether all rows of a contact are for its smaller ends only, in the same order.
-- Errors
--     none
-- Reads
--     contact_changes
-- Writes
--     contact_changes
-- Used by
--     sync_changes
-- Why
--     Rows that another session has locked are skipped, so any number of sessions may take changes at the same time.
CREATE OR REPLACE FUNCTION connection_paths.take_changes(max_changes integer, retry_failed boolean)
RETURNS TABLE (
    taken bigint,
    written_by xid8,
    everyone_changed_at timestamptz,
    organization_ids bigint[],
    organizations_changed_at timestamptz[],
    contact_ids bigint[],
    contacts_changed_at timestamptz[],
    contacts_failures smallint[],
    smaller_ends_only boolean[]
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    WITH claimed AS (
        DELETE FROM connection_paths.contact_changes AS q
        WHERE q.ctid = ANY (ARRAY(
            SELECT c.ctid
            FROM connection_paths.contact_changes AS c
            WHERE NOT c.has_failed OR take_changes.retry_failed
            LIMIT take_changes.max_changes
            FOR UPDATE SKIP LOCKED
        ))
        RETURNING
            q.contact_id,
            q.organization_id,
            q.written_by::text::bigint AS written_by,
            q.changed_at,
            q.failures,
            q.smaller_ends_only
    ),
    changed AS (
        SELECT
            c.contact_id,
            c.organization_id,
            count(*) AS queue_rows,
            max(c.written_by) AS written_by,
            min(c.changed_at) AS changed_at,
            max(c.failures) AS failures,
            bool_and(c.smaller_ends_only) AS smaller_ends_only
        FROM claimed AS c
        GROUP BY c.contact_id, c.organization_id
    )
    SELECT
        COALESCE(sum(c.queue_rows), 0)::bigint,
        max(c.written_by)::text::pg_catalog.xid8,
        min(c.changed_at) FILTER (WHERE c.contact_id IS NULL AND c.organization_id IS NULL),
        array_agg(c.organization_id ORDER BY c.organization_id) FILTER (WHERE c.organization_id IS NOT NULL),
        array_agg(c.changed_at ORDER BY c.organization_id) FILTER (WHERE c.organization_id IS NOT NULL),
        array_agg(c.contact_id ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL),
        array_agg(c.changed_at ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL),
        array_agg(c.failures ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL),
        array_agg(c.smaller_ends_only ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL)
    FROM changed AS c;
END
$function$;

COMMENT ON FUNCTION connection_paths.take_changes(integer, boolean) IS 'Deletes rows from the queue of changes and returns them grouped; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.take_changes(integer, boolean) FROM PUBLIC;

-- connection_paths.queue_affected_contacts(written_by, everyone_changed_at, organization_ids, organizations_changed_at)
--
-- Queues each contact that a change of organizations, or of every contact, affects.
--
-- Parameters
--     written_by                The latest transaction that wrote one of the replaced rows. Required.
--     everyone_changed_at       The time of a replaced row for every contact. NULL: there was none.
--     organization_ids          The organizations of replaced rows. NULL: none.
--     organizations_changed_at  The time of the change of each organization, in the same order. NULL: none.
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     employments, backfill_runs
-- Writes
--     contact_changes, rebuild_replays
-- Used by
--     sync_changes
-- Why
--     take_changes has deleted the queue rows that this function replaces. A new row keeps the time of the change,
--     because the age of the oldest row shows how far the edges are behind. When every contact is queued, the
--     organizations need no rows of their own.
--
--     Both contacts of an edge that the change affects get a row, or the smaller one was queued by a change of its own.
--     So each edge is refreshed once, from its smaller contact, and sessions that refresh different contacts of an
--     organization do not wait for each other.
--
--     Some edges exist only in the table of a rebuild, and contacts_to_refresh does not find their contacts. So every
--     contact is also queued for the time after the exchange of the tables.
CREATE OR REPLACE FUNCTION connection_paths.queue_affected_contacts(
    written_by xid8,
    everyone_changed_at timestamptz,
    organization_ids bigint[],
    organizations_changed_at timestamptz[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF queue_affected_contacts.everyone_changed_at IS NOT NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, written_by, changed_at, smaller_ends_only)
        SELECT c.contact_id, queue_affected_contacts.written_by, queue_affected_contacts.everyone_changed_at, true
        FROM connection_paths.contacts_to_refresh() AS c;
        INSERT INTO connection_paths.rebuild_replays (contact_id)
        SELECT NULL
        FROM connection_paths.backfill_runs AS r
        WHERE r.is_active AND r.strategy = 'rebuild';
    ELSIF queue_affected_contacts.organization_ids IS NOT NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, written_by, changed_at, smaller_ends_only)
        SELECT e.contact_id, queue_affected_contacts.written_by, min(o.changed_at), true
        FROM unnest(queue_affected_contacts.organization_ids, queue_affected_contacts.organizations_changed_at)
            AS o (id, changed_at)
        CROSS JOIN LATERAL (
            SELECT w.contact_id
            FROM connection_paths.employments AS w
            WHERE w.organization_id = o.id AND w.contact_id IS NOT NULL
            OFFSET 0
        ) AS e
        GROUP BY e.contact_id;
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_affected_contacts(xid8, timestamptz, bigint[], timestamptz[]) IS 'Queues the contacts that a change of organizations, or of every contact, affects; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.queue_affected_contacts(xid8, timestamptz, bigint[], timestamptz[]) FROM PUBLIC;

-- connection_paths.delete_requests(contact_ids)
--
-- Deletes the requests for introductions by or to contacts that no longer exist.
--
-- Parameters
--     contact_ids  The contacts to check. NULL elements are ignored.
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     live_contacts
-- Writes
--     introduction_requests
-- Used by
--     sync_changes
-- Why
--     Requests for introductions are personal data, so they are deleted with the introducer or the target.
--
--     Rows of do_not_ask stay: only the application deletes them. A contact that is missing today may come back, for
--     example from an archive, or may be about to be inserted. A person who has opted out must not be asked then.
--
--     Only contacts that were queued by their own id are checked. After TRUNCATE or queue_everyone nothing is deleted:
--     the application may be loading contacts, and these rows cannot be computed again. For the same reason nothing is
--     deleted while no contact exists at all.
CREATE OR REPLACE FUNCTION connection_paths.delete_requests(contact_ids bigint[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    missing bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM connection_paths.live_contacts) THEN
        RETURN;
    END IF;
    missing := ARRAY(
        SELECT c.id
        FROM unnest(delete_requests.contact_ids) AS c (id)
        WHERE NOT EXISTS (SELECT FROM connection_paths.live_contacts AS l WHERE l.id = c.id)
    );
    IF cardinality(missing) > 0 THEN
        DELETE FROM connection_paths.introduction_requests AS r
        WHERE r.introducer_contact_id = ANY (missing) OR r.target_contact_id = ANY (missing);
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.delete_requests(bigint[]) IS 'Deletes the rows of introduction_requests about contacts that no longer exist; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.delete_requests(bigint[]) FROM PUBLIC;

-- connection_paths.refresh_one_by_one(contact_ids, contacts_changed_at, contacts_failures, written_by, blame_any_error)
--
-- Refreshes contacts one at a time, and puts each contact whose refresh fails back into the queue with its error.
--
-- Parameters
--     contact_ids          The contacts. Required.
--     contacts_changed_at  The time of the change of each contact, in the same order.
--     contacts_failures    How often each contact has failed so far, in the same order.
--     written_by           The transaction for the rows that are put back. Required.
--     blame_any_error      true: a deadlock, a lock timeout, a serialization failure or a cancellation also counts as
--                          an error of the contact. false: such an error is raised. Required.
-- Returns
--     contacts       The number of contacts that were refreshed.
--     edges_changed  The number of rows of contact_connections that were inserted, updated or deleted.
--     failed         The number of contacts that were put back.
-- Errors
--     40P01, 55P03, 40001, 57014  A deadlock, a lock timeout, a serialization failure or a cancellation, unless
--                                 blame_any_error is true.
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     sync_changes
-- Why
--     After a contact has failed, the function refreshes no contacts at all. An error of that call, for example a
--     missing right, does not depend on the contact, so it is raised.
--
--     Each contact costs a subtransaction, so sync_changes uses this function only after a common refresh has failed.
--     Deferred constraints are checked after each contact, because an error at COMMIT would not name the contact. They
--     stay immediate until the transaction ends.
CREATE OR REPLACE FUNCTION connection_paths.refresh_one_by_one(
    contact_ids bigint[],
    contacts_changed_at timestamptz[],
    contacts_failures smallint[],
    written_by xid8,
    blame_any_error boolean
)
RETURNS TABLE (contacts bigint, edges_changed bigint, failed bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    contact record;
BEGIN
    contacts := 0;
    edges_changed := 0;
    failed := 0;
    SET CONSTRAINTS ALL IMMEDIATE;
    FOR contact IN
        SELECT c.id, c.changed_at, c.failures
        FROM unnest(
            refresh_one_by_one.contact_ids,
            refresh_one_by_one.contacts_changed_at,
            refresh_one_by_one.contacts_failures
        ) AS c (id, changed_at, failures)
    LOOP
        BEGIN
            edges_changed := edges_changed + connection_paths.backfill_contact(contact.id);
            contacts := contacts + 1;
        EXCEPTION
            WHEN OTHERS OR assert_failure OR query_canceled THEN
                -- deadlock, lock timeout, serialization failure, cancellation
                IF SQLSTATE IN ('40P01', '55P03', '40001', '57014') AND NOT refresh_one_by_one.blame_any_error THEN
                    RAISE;
                END IF;
                -- raises when a refresh fails for every contact: then this contact is not the cause
                PERFORM connection_paths.write_edges('{}');
                failed := failed + 1;
                INSERT INTO connection_paths.contact_changes
                    (contact_id, written_by, changed_at, failures, has_failed, error)
                VALUES (
                    contact.id,
                    refresh_one_by_one.written_by,
                    contact.changed_at,
                    contact.failures + 1,
                    contact.failures + 1 >= 3,
                    SQLERRM
                );
        END;
    END LOOP;
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.refresh_one_by_one(bigint[], timestamptz[], smallint[], xid8, boolean) IS 'Refreshes contacts one at a time and puts those that fail back into the queue; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.refresh_one_by_one(bigint[], timestamptz[], smallint[], xid8, boolean) FROM PUBLIC;

-- connection_paths.sync_changes(max_changes, one_by_one, retry_failed)
--
-- Takes changes from the queue and refreshes the edges of their contacts, in one transaction.
--
-- Parameters
--     max_changes   How many queue rows to take at most, at least 1. The default is 200.
--     one_by_one    true: refresh each contact on its own, and put a contact whose refresh fails back into the queue
--                   with its error. At most 50 queue rows are then taken. Use it after a call without it has failed.
--                   NULL means false, which is the default.
--     retry_failed  true: also take queue rows that have failed three times. NULL means false, which is the default.
-- Returns
--     One row.
--     taken          The number of queue rows that were taken. When the queue is empty: the number of organizations
--                    that were counted. When none had to be counted: the number of company names for which candidates
--                    were looked for, plus the number of capture failures whose recovery went on: see recover_capture.
--                    0: nothing is left to do, or the rest waits for the transactions of other sessions.
--     contacts       The number of contacts that were refreshed.
--     edges_changed  The number of rows of contact_connections that were inserted, updated or deleted.
--     failed         The number of contacts that were put back with an error.
-- Errors
--     22023  max_changes is NULL or less than 1.
--     25001  The transaction is not READ COMMITTED.
--     55P03  Another transaction that refreshes edges did not end in time. Call again in another transaction.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     orchestrator/changes/worker.py, orchestrator/install/installation.py, operators
-- Why
--     Call the function again until taken is 0. Any number of sessions may call it at the same time. A session that
--     dies loses nothing, because its transaction rolls back.
--
--     A call does one of three things. Contacts whose scheduled refresh is due, and the contacts of company names whose
--     decision has changed, are moved to the queue, and the call ends: it must not hold rows of due_changes while it
--     waits in await_refreshes, because sessions in schedule_refreshes would wait for these rows. Otherwise the call
--     takes queue rows. A row for an organization is replaced by a row for each contact that has worked there, and a
--     row for every contact by a row for each contact. Later calls refresh these contacts. The people of an
--     organization with a row are counted, too. When the queue is empty, the call counts organizations whose last count
--     is too old.
--
--     Without one_by_one, every error of a refresh is raised. With one_by_one, only two kinds of errors are raised:
--     those that every contact would raise, and deadlocks, timeouts and cancellations. When max_changes is 1, the
--     latter also count as errors of the contact.
--
--     Contacts that were queued with all others of their organization are refreshed from their smaller ends only: see
--     queue_affected_contacts. With one_by_one, every edge of a contact is refreshed.
--
--     New company names of these contacts get candidates: see propose_new_names. That comes last. There, the session
--     may wait for another one that inserts the same name. It needs no further lock then, so the two do not deadlock.
--
--     The function waits in await_refreshes before it reads a table of the application. So it holds no lock on such a
--     table during the wait.
CREATE OR REPLACE FUNCTION connection_paths.sync_changes(
    max_changes integer DEFAULT 200,
    one_by_one boolean DEFAULT false,
    retry_failed boolean DEFAULT false
)
RETURNS TABLE (taken bigint, contacts bigint, edges_changed bigint, failed bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    names_at_once CONSTANT integer := 200; -- new company names of a call; the others wait for a later one
    batch record;
    part record;
    names bigint;
    recovered bigint;
BEGIN
    IF sync_changes.max_changes IS NULL OR sync_changes.max_changes < 1 THEN
        RAISE EXCEPTION 'max_changes must not be %', COALESCE(sync_changes.max_changes::text, 'null')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use 1 or more.';
    END IF;
    PERFORM connection_paths.require_sources();
    recovered := connection_paths.recover_capture();
    contacts := 0;
    edges_changed := 0;
    failed := 0;

    taken := connection_paths.queue_due_contacts(sync_changes.max_changes)
        + connection_paths.queue_named_contacts(sync_changes.max_changes);
    IF taken > 0 THEN
        RETURN NEXT;
        RETURN;
    END IF;

    SELECT t.*
    INTO batch
    FROM connection_paths.take_changes(
        CASE WHEN sync_changes.one_by_one THEN LEAST(sync_changes.max_changes, 50) ELSE sync_changes.max_changes END,
        sync_changes.retry_failed
    ) AS t;
    taken := batch.taken;
    IF taken = 0 THEN
        taken := connection_paths.recount_organizations(sync_changes.max_changes);
        IF taken > 0 THEN
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    IF batch.contact_ids IS NOT NULL THEN
        PERFORM connection_paths.await_refreshes(batch.written_by);
    END IF;
    IF batch.organization_ids IS NOT NULL THEN
        PERFORM connection_paths.resize_organizations(
            batch.organization_ids,
            ARRAY(
                SELECT connection_paths.known_people(o.id)
                FROM unnest(batch.organization_ids) WITH ORDINALITY AS o (id, place)
                ORDER BY o.place
            ),
            (SELECT min(o.day) FROM unnest(batch.organizations_changed_at) AS o (day))
        );
    END IF;
    PERFORM connection_paths.queue_affected_contacts(
        batch.written_by, batch.everyone_changed_at, batch.organization_ids, batch.organizations_changed_at
    );

    IF batch.contact_ids IS NOT NULL THEN
        PERFORM connection_paths.delete_requests(batch.contact_ids);
        PERFORM connection_paths.count_organizations(
            batch.contact_ids, changed_at => (SELECT min(c.day) FROM unnest(batch.contacts_changed_at) AS c (day))
        );
        IF sync_changes.one_by_one THEN
            SELECT r.contacts, r.edges_changed, r.failed
            INTO contacts, edges_changed, failed
            FROM connection_paths.refresh_one_by_one(
                batch.contact_ids,
                batch.contacts_changed_at,
                batch.contacts_failures,
                batch.written_by,
                blame_any_error => sync_changes.max_changes = 1
            ) AS r;
        ELSE
            contacts := cardinality(batch.contact_ids);
            FOR part IN
                SELECT c.smaller_ends_only, array_agg(c.id) AS contact_ids
                FROM unnest(batch.contact_ids, batch.smaller_ends_only) AS c (id, smaller_ends_only)
                GROUP BY c.smaller_ends_only
                ORDER BY c.smaller_ends_only
            LOOP
                edges_changed := edges_changed + connection_paths.write_edges(part.contact_ids, part.smaller_ends_only);
            END LOOP;
        END IF;
    END IF;
    names := connection_paths.propose_new_names(
        batch.contact_ids,
        batch.organization_ids,
        names_at_once,
        (SELECT min(c.day) FROM unnest(batch.contacts_changed_at || batch.organizations_changed_at) AS c (day))
    );
    IF taken = 0 THEN
        taken := names + recovered;
    END IF;
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.sync_changes(integer, boolean, boolean) IS 'Takes changes from the queue and refreshes the edges of their contacts';

REVOKE ALL ON FUNCTION connection_paths.sync_changes(integer, boolean, boolean) FROM PUBLIC;

-- connection_paths.trigger_definitions(table_oid)
--
-- Returns the statements that create the triggers of the package on a table of the application.
--
-- Parameters
--     table_oid  The table. Required.
-- Returns
--     An array with one text for each trigger; an empty array when the table has none. For a trigger that fires for
--     replicated rows, the text contains a second statement, which enables this.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     detach_source
CREATE OR REPLACE FUNCTION connection_paths.trigger_definitions(table_oid oid)
RETURNS text[]
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT COALESCE(array_agg(d.statements ORDER BY d.tgname), '{}')
    FROM (
        SELECT
            t.tgname,
            pg_catalog.pg_get_triggerdef(t.oid)
            || CASE
                WHEN t.tgenabled IN ('R', 'A') THEN
                    pg_catalog.format(
                        '; ALTER TABLE %I.%I ENABLE %s TRIGGER %I',
                        n.nspname,
                        c.relname,
                        CASE t.tgenabled WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END,
                        t.tgname
                    )
                ELSE ''
            END AS statements
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE t.tgrelid = trigger_definitions.table_oid
            AND NOT t.tgisinternal
            AND p.pronamespace = 'connection_paths'::pg_catalog.regnamespace
    ) AS d;
END;

COMMENT ON FUNCTION connection_paths.trigger_definitions(oid) IS 'The statements that create the package''s triggers on a table of the application';

REVOKE ALL ON FUNCTION connection_paths.trigger_definitions(oid) FROM PUBLIC;

-- connection_paths.index_definitions(table_oid)
--
-- Returns the statements that build the indexes of the package on a table of the application.
--
-- Parameters
--     table_oid  The table. Required.
-- Returns
--     A JSON object. Each key is the name of an index. Its value is an array of two statements: CREATE INDEX
--     CONCURRENTLY, then COMMENT ON INDEX. An empty object when the table has none. The index of a partitioned table
--     cannot be built concurrently.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     detach_source
CREATE OR REPLACE FUNCTION connection_paths.index_definitions(table_oid oid)
RETURNS jsonb
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        COALESCE(
            jsonb_object_agg(
                c.relname,
                jsonb_build_array(
                    CASE c.relkind
                        WHEN 'I' THEN regexp_replace(pg_catalog.pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ')
                        ELSE regexp_replace(pg_catalog.pg_get_indexdef(c.oid), '^CREATE INDEX', 'CREATE INDEX CONCURRENTLY')
                    END,
                    pg_catalog.format(
                        'COMMENT ON INDEX %I.%I IS %L',
                        n.nspname, c.relname, pg_catalog.obj_description(c.oid, 'pg_class')
                    )
                )
            ),
            '{}'
        )
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE i.indrelid = index_definitions.table_oid
        AND c.relname = ANY (
            '{
                idx_members_by_collection, idx_experiences_by_contact, idx_experiences_by_organization,
                idx_named_by_contact, idx_named_by_name,
                idx_contacts_by_id, idx_organizations_by_id
            }'::text[]
        );
END;

COMMENT ON FUNCTION connection_paths.index_definitions(oid) IS 'The statements that build the package''s indexes on a table of the application';

REVOKE ALL ON FUNCTION connection_paths.index_definitions(oid) FROM PUBLIC;

-- connection_paths.detach_source(table_name)
--
-- Detaches a table of the application, so that its columns can be altered or dropped.
--
-- Parameters
--     table_name  The source: contacts, organizations, contact_work_experiences or user_contact_collections, whatever
--                 the name of its table. Required.
-- Returns
--     true when this call has detached the table; false when it was already detached.
-- Errors
--     22023  table_name is none of the four.
--     55000  The binding view is missing or reads no table, or a column that it reads was renamed.
-- Reads
--     named_experiences
-- Writes
--     detached_sources
-- Used by
--     operators, orchestrator/detaching/detaching.py
-- Why
--     PostgreSQL refuses to change the type of a column, or to drop one, while a view reads it. This function replaces
--     the binding view by a view with the same columns that reads no table and raises CP010. Views and functions that
--     use the binding view stay. Until attach_source, finders that need the table and all functions that write edges
--     raise CP010. The edges and the triggers stay.
--
--     The function waits for transactions that read the view, and later transactions wait for it. So set lock_timeout.
--     The function needs the rights of the package's owner.
CREATE OR REPLACE FUNCTION connection_paths.detach_source(table_name text)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    source record;
    binding_view record;
    columns text;
    grantee record;
BEGIN
    SELECT s.*, CASE s.view_name WHEN 'work_experiences' THEN to_regclass('connection_paths.named_experiences') END AS named
    INTO source
    FROM connection_paths.source_tables() AS s
    WHERE s.table_name = detach_source.table_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'table_name must not be %', COALESCE(quote_literal(detach_source.table_name), 'null')
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Use contacts, organizations, contact_work_experiences or user_contact_collections.';
    END IF;
    IF EXISTS (
        SELECT FROM connection_paths.detached_sources AS s WHERE s.table_name = detach_source.table_name
    ) THEN
        RETURN false;
    END IF;
    IF source.table_oid IS NULL THEN
        RAISE EXCEPTION 'view connection_paths.% reads no table', source.view_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run orchestrator install.';
    END IF;
    IF NOT connection_paths.capture_works(source.table_oid) THEN -- the stored definition would have the new name
        RAISE EXCEPTION 'a column of %.% was renamed', source.table_schema, source.relation_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Rename it back, then detach.';
    END IF;

    INSERT INTO connection_paths.detached_sources
        (table_name, view_name, table_schema, relation_name, table_oid, view_definition, named_definition, triggers,
        indexes)
    SELECT
        detach_source.table_name,
        source.view_name,
        source.table_schema,
        source.relation_name,
        source.table_oid,
        pg_get_viewdef(source.view_oid),
        pg_get_viewdef(source.named),
        connection_paths.trigger_definitions(source.table_oid),
        connection_paths.index_definitions(source.table_oid);

    FOR binding_view IN
        SELECT c.oid, c.relname, c.relacl FROM pg_catalog.pg_class AS c WHERE c.oid IN (source.view_oid, source.named)
    LOOP
        SELECT
            string_agg(
                pg_catalog.format(
                    '%I %s%s',
                    a.attname,
                    format_type(a.atttypid, a.atttypmod),
                    CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::pg_catalog.regcollation END
                ),
                ', ' ORDER BY a.attnum
            )
        INTO columns
        FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = binding_view.oid AND a.attnum > 0 AND NOT a.attisdropped;
        EXECUTE pg_catalog.format(
            'CREATE OR REPLACE VIEW connection_paths.%I WITH (security_invoker = true) AS'
            ' SELECT * FROM connection_paths.raise_detached(%L) AS d (%s)',
            binding_view.relname,
            pg_catalog.format('%I.%I', source.table_schema, source.relation_name),
            columns
        );
        -- Every role that may read the view gets CP010, not an error about missing rights.
        FOR grantee IN
            SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END AS name
            FROM aclexplode(binding_view.relacl) AS a
            WHERE a.privilege_type = 'SELECT'
        LOOP
            EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION connection_paths.raise_detached(text) TO %s', grantee.name);
        END LOOP;
    END LOOP;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.detach_source(text) IS 'Detaches a table of the application, so that its columns can be altered; attach_source attaches it again';

REVOKE ALL ON FUNCTION connection_paths.detach_source(text) FROM PUBLIC;

-- connection_paths.attach_view(view_name, view_definition, table_oid)
--
-- Makes a binding view read its table again.
--
-- Parameters
--     view_name        The binding view, without its schema. Required.
--     view_definition  The query of the view before its table was detached. Required.
--     table_oid        The table that the view is to read, for the message of an error. Required.
-- Returns
--     Nothing.
-- Errors
--     55000  The table lacks a column that the query reads, or the column has another type now.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     attach_source
-- Why
--     The types of the columns of a view cannot change. A name may be character varying now and have been text before,
--     which needed no cast. So when PostgreSQL refuses the query because of a type, a second attempt casts the names to
--     text. The view named_experiences has a collation of its own, which the cast would lose.
CREATE OR REPLACE FUNCTION connection_paths.attach_view(view_name text, view_definition text, table_oid oid)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    head text := pg_catalog.format(
        'CREATE OR REPLACE VIEW connection_paths.%I WITH (security_invoker = true) AS ', attach_view.view_name
    );
    columns text;
BEGIN
    BEGIN
        EXECUTE head || attach_view.view_definition;
        RETURN;
    EXCEPTION
        WHEN invalid_table_definition THEN
            NULL; -- another type: see below
    END;
    SELECT
        string_agg(
            pg_catalog.format(
                'd.%I%s',
                v.attname,
                CASE format_type(v.atttypid, NULL)
                    WHEN 'text' THEN '::text' || COALESCE(' COLLATE ' || n.collation, '')
                END
            ),
            ', ' ORDER BY v.attnum
        )
    INTO columns
    FROM pg_catalog.pg_attribute AS v
    CROSS JOIN LATERAL (
        SELECT NULLIF(v.attcollation::pg_catalog.regcollation::text, '"default"') AS collation
    ) AS n
    WHERE v.attrelid = to_regclass('connection_paths.' || attach_view.view_name) AND v.attnum > 0;
    EXECUTE head || pg_catalog.format('SELECT %s FROM (%s) AS d', columns, rtrim(attach_view.view_definition, ';'));
EXCEPTION
    WHEN undefined_column OR undefined_function OR invalid_table_definition OR datatype_mismatch THEN
        RAISE EXCEPTION 'table % cannot be attached: %', attach_view.table_oid::pg_catalog.regclass, SQLERRM
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Nothing was attached. Change the table, then attach it.';
END
$function$;

COMMENT ON FUNCTION connection_paths.attach_view(text, text, oid) IS 'Makes a binding view read its table again; part of attach_source';

REVOKE ALL ON FUNCTION connection_paths.attach_view(text, text, oid) FROM PUBLIC;

-- connection_paths.attach_source(table_name)
--
-- Attaches a table of the application again, after detach_source.
--
-- Parameters
--     table_name  The source: contacts, organizations, contact_work_experiences or user_contact_collections, whatever
--                 the name of its table. Required.
-- Returns
--     The statements that build the missing indexes of the package: those that were dropped with a column or with the
--     table. Execute each outside a transaction, as `orchestrator attach` does. No row when no index is missing, or
--     when the table is not detached.
-- Errors
--     22023  table_name is none of the four.
--     55000  The table is missing or has child tables, or is another partitioned table than before, or lacks a column
--            that the package needs, or such a column has another type. The table stays detached.
-- Reads
--     named_experiences
-- Writes
--     detached_sources
-- Used by
--     operators, orchestrator/detaching/detaching.py
-- Why
--     Afterwards the binding view reads the table that has this name now; it may be another table than before. Missing
--     triggers are created again. The triggers may have missed changes while the table was detached, so every contact
--     is queued. user_contact_collections is an exception, because edges do not depend on it.
--
--     The function waits for transactions that write the table or read the view, and later transactions wait for it. So
--     set lock_timeout. The function needs the rights of the package's owner and, to create triggers, those of the
--     table's owner. It executes statements that are stored in detached_sources, which only the package's owner can
--     write.
CREATE OR REPLACE FUNCTION connection_paths.attach_source(table_name text)
RETURNS SETOF text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 10
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    source record;
    host oid;
    statement text;
BEGIN
    IF NOT EXISTS (
        SELECT FROM connection_paths.source_tables() AS s WHERE s.table_name = attach_source.table_name
    ) THEN
        RAISE EXCEPTION 'table_name must not be %', COALESCE(quote_literal(attach_source.table_name), 'null')
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Use contacts, organizations, contact_work_experiences or user_contact_collections.';
    END IF;
    DELETE FROM connection_paths.detached_sources AS s
    WHERE s.table_name = attach_source.table_name
    RETURNING * INTO source;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    SELECT c.oid
    INTO host
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = source.table_schema
        AND c.relname = source.relation_name
        AND CASE c.relkind
            WHEN 'r' THEN
                NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent))
            WHEN 'p' THEN c.oid = source.table_oid -- a new one has neither indexes nor triggers on its partitions
            ELSE c.relkind IN ('v', 'm', 'f') AND source.triggers = '{}' AND source.indexes = '{}'
        END;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no ordinary table %.% without child tables', source.table_schema, source.relation_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Create it, then attach.';
    END IF;

    PERFORM connection_paths.attach_view(source.view_name, source.view_definition, host);
    IF source.named_definition IS NOT NULL AND to_regclass('connection_paths.named_experiences') IS NOT NULL THEN
        PERFORM connection_paths.attach_view('named_experiences', source.named_definition, host);
    END IF;

    IF host <> source.table_oid THEN -- the package no longer reads the table that was detached
        FOR statement IN
            SELECT pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
            FROM pg_catalog.pg_trigger AS t
            JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
            JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE t.tgrelid = source.table_oid
                AND NOT t.tgisinternal
                -- after a restore, another table that has these triggers may have this oid
                AND t.tgrelid NOT IN (
                    SELECT o.table_oid FROM connection_paths.source_tables() AS o WHERE o.table_oid IS NOT NULL
                )
                AND (n.nspname, c.relname) NOT IN (
                    SELECT d.table_schema, d.relation_name FROM connection_paths.detached_sources AS d
                )
                AND p.pronamespace = 'connection_paths'::pg_catalog.regnamespace
        LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
    FOREACH statement IN ARRAY source.triggers LOOP
        IF NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_trigger AS t
            WHERE t.tgrelid = host AND t.tgname = substring(statement FROM '^CREATE TRIGGER (\w+) ')
        ) THEN
            EXECUTE statement;
        END IF;
    END LOOP;
    IF attach_source.table_name <> 'user_contact_collections' THEN
        PERFORM connection_paths.queue_everyone();
    END IF;

    RETURN QUERY
    SELECT s.statement
    FROM jsonb_each(source.indexes) AS i (name, statements)
    CROSS JOIN LATERAL (
        -- A renamed table may still have the index of that name.
        SELECT pg_catalog.format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, c.relname) AS statement, 0 AS place
        FROM pg_catalog.pg_index AS x
        JOIN pg_catalog.pg_class AS c ON c.oid = x.indexrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE x.indrelid = source.table_oid AND c.relname = i.name AND n.nspname = source.table_schema
        UNION ALL
        SELECT e.statement, e.place FROM jsonb_array_elements_text(i.statements) WITH ORDINALITY AS e (statement, place)
    ) AS s
    WHERE NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_index AS x
            JOIN pg_catalog.pg_class AS c ON c.oid = x.indexrelid
            WHERE x.indrelid = host AND c.relname = i.name
        )
    ORDER BY i.name, s.place;
END
$function$;

COMMENT ON FUNCTION connection_paths.attach_source(text) IS 'Attaches a table of the application again; returns the statements that build missing indexes';

REVOKE ALL ON FUNCTION connection_paths.attach_source(text) FROM PUBLIC;
INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ('46617bb0209c094cc492abb68060a9134094802772e92354509ff39ff0ceb08f', '0007_backfill_functions', now() AT TIME ZONE 'UTC');
COMMIT;
\endif

-- 0008_capture_changes
SELECT NOT EXISTS (
    SELECT FROM connection_paths._yoyo_migration AS m WHERE m.migration_id = '0008_capture_changes'
) AS is_to_do \gset
\if :is_to_do
\if :{?no_triggers}
\else
DO $retry_while_locked$
DECLARE
    part regclass;
BEGIN
    PERFORM set_config('lock_timeout', '500ms', true); -- other sessions wait no longer than this; then the loop tries again
    FOR part IN
        SELECT t.oid FROM pg_class AS t WHERE t.oid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contacts')) AND t.relkind IN ('r', 'p') -- a view has no such triggers
        UNION
        SELECT p.relid FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contacts'))) AS p
    LOOP
        FOR attempt IN 1..200 LOOP
            BEGIN
                EXECUTE replace($create$
-- Queues changes of this table. The header of the trigger function explains which changes count.
CREATE OR REPLACE TRIGGER connection_paths_inserted
    AFTER INSERT ON @@table
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('contact');
CREATE OR REPLACE TRIGGER connection_paths_updated
    AFTER UPDATE ON @@table
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('contact');
CREATE OR REPLACE TRIGGER connection_paths_deleted
    AFTER DELETE ON @@table
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('contact');
CREATE OR REPLACE TRIGGER connection_paths_truncated
    AFTER TRUNCATE ON @@table
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('contact');
$create$, '@@table', part::text);
                EXIT;
            EXCEPTION
                WHEN lock_not_available OR deadlock_detected THEN
                    IF attempt = 200 THEN
                        RAISE;
                    END IF;
                    PERFORM pg_sleep(0.5);
            END;
        END LOOP;
    END LOOP;
END
$retry_while_locked$;
\endif

\if :{?no_triggers}
\else
DO $retry_while_locked$
DECLARE
    part regclass;
BEGIN
    PERFORM set_config('lock_timeout', '500ms', true); -- other sessions wait no longer than this; then the loop tries again
    FOR part IN
        SELECT t.oid FROM pg_class AS t WHERE t.oid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences')) AND t.relkind IN ('r', 'p') -- a view has no such triggers
        UNION
        SELECT p.relid FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('contact_work_experiences'))) AS p
    LOOP
        FOR attempt IN 1..200 LOOP
            BEGIN
                EXECUTE replace($create$
-- Queues changes of this table. The header of the trigger function explains which changes count.
CREATE OR REPLACE TRIGGER connection_paths_inserted
    AFTER INSERT ON @@table
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_changed_experiences();
CREATE OR REPLACE TRIGGER connection_paths_updated
    AFTER UPDATE ON @@table
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_changed_experiences();
CREATE OR REPLACE TRIGGER connection_paths_deleted
    AFTER DELETE ON @@table
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_changed_experiences();
CREATE OR REPLACE TRIGGER connection_paths_truncated
    AFTER TRUNCATE ON @@table
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_changed_experiences();
$create$, '@@table', part::text);
                EXIT;
            EXCEPTION
                WHEN lock_not_available OR deadlock_detected THEN
                    IF attempt = 200 THEN
                        RAISE;
                    END IF;
                    PERFORM pg_sleep(0.5);
            END;
        END LOOP;
    END LOOP;
END
$retry_while_locked$;
\endif

\if :{?no_triggers}
\else
DO $retry_while_locked$
DECLARE
    part regclass;
BEGIN
    PERFORM set_config('lock_timeout', '500ms', true); -- other sessions wait no longer than this; then the loop tries again
    FOR part IN
        SELECT t.oid FROM pg_class AS t WHERE t.oid = to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('organizations')) AND t.relkind IN ('r', 'p') -- a view has no such triggers
        UNION
        SELECT p.relid FROM pg_partition_tree(to_regclass(quote_ident(current_setting('connection_paths.host_schema')) || '.' || quote_ident('organizations'))) AS p
    LOOP
        FOR attempt IN 1..200 LOOP
            BEGIN
                EXECUTE replace($create$
-- Queues changes of this table. The header of the trigger function explains which changes count.
CREATE OR REPLACE TRIGGER connection_paths_inserted
    AFTER INSERT ON @@table
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('organization');
CREATE OR REPLACE TRIGGER connection_paths_updated
    AFTER UPDATE ON @@table
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('organization');
CREATE OR REPLACE TRIGGER connection_paths_deleted
    AFTER DELETE ON @@table
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('organization');
CREATE OR REPLACE TRIGGER connection_paths_truncated
    AFTER TRUNCATE ON @@table
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('organization');
$create$, '@@table', part::text);
                EXIT;
            EXCEPTION
                WHEN lock_not_available OR deadlock_detected THEN
                    IF attempt = 200 THEN
                        RAISE;
                    END IF;
                    PERFORM pg_sleep(0.5);
            END;
        END LOOP;
    END LOOP;
END
$retry_while_locked$;
\endif
INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ('a2d4f2ac44b54273b4500e61ac5c871c03e95232ce02ad27abe138a67c2f1663', '0008_capture_changes', now() AT TIME ZONE 'UTC');

\endif

-- 0009_company_names
SELECT NOT EXISTS (
    SELECT FROM connection_paths._yoyo_migration AS m WHERE m.migration_id = '0009_company_names'
) AS is_to_do \gset
\if :is_to_do
BEGIN;
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
INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ('8745ee7d730fdff0b05c182043440b0369b969f01b18b9dec38571ba8d492d36', '0009_company_names', now() AT TIME ZONE 'UTC');
COMMIT;
\endif

-- 0010_company_name_functions
SELECT NOT EXISTS (
    SELECT FROM connection_paths._yoyo_migration AS m WHERE m.migration_id = '0010_company_name_functions'
) AS is_to_do \gset
\if :is_to_do
BEGIN;
-- connection_paths.plain_name(company_name)
--
-- Writes a name in the form in which names are compared: lower case, without accents and punctuation.
--
-- Parameters
--     company_name  The name of a company. NULL gives NULL.
-- Returns
--     The words of the name with one space between them. An empty text when the name has neither letters nor digits.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     add_company_names, refresh_organization_names, sql/queries/host/junk_names.sql,
--     sql/queries/names/fill_legal_forms.sql
-- Why
--     The steps: letters lose their accents, and letters such as o with a stroke become plain ones; dots and
--     apostrophes disappear, so that S.A. becomes sa; & and + become the word and; other punctuation becomes a space;
--     single letters in a row become one word, so that S A becomes sa; the word the at the beginning is left out.
--
--     In a database with the locale C, only Latin letters become lower case.
--
--     Unicode normalization is part of PostgreSQL, so the extension unaccent is not needed. It works in databases with
--     the encoding UTF8. In other databases accents stay. Those statements are in a branch of their own, because
--     PL/pgSQL plans a statement when it is first executed: chr(8217) would be an error in LATIN1.
CREATE OR REPLACE FUNCTION connection_paths.plain_name(company_name text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
STRICT
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    plain text := plain_name.company_name;
BEGIN
    IF octet_length(plain) > length(plain) AND pg_catalog.getdatabaseencoding() = 'UTF8' THEN
        plain := lower(normalize(plain, NFKD));
        plain := regexp_replace(plain, '[\u0300-\u036f]', '', 'g');
        plain := translate(
            plain,
            chr(248) || chr(216) || chr(322) || chr(321) || chr(273) || chr(272) || chr(240) || chr(208) || chr(305)
            || chr(8217) || chr(8216) || chr(700),
            'oollddddi'
        );
        plain := replace(translate(plain, chr(198) || chr(338), chr(230) || chr(339)), chr(230), 'ae');
        plain := replace(replace(plain, chr(339), 'oe'), chr(223), 'ss');
        plain := regexp_replace(plain, '[\u0080-\u00bf\u2000-\u206f\u2100-\u214f\u3000-\u303f]+', ' ', 'g');
    END IF;
    plain := translate(lower(plain), '.''`', '');
    plain := replace(replace(plain, '&', ' and '), '+', ' and ');
    plain := regexp_replace(plain, '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+', ' ', 'g');
    IF plain ~ '(^| )[^ ] [^ ]( |$)' THEN
        plain := regexp_replace(plain, '(?<![^ ])([^ ]) (?=[^ ](?: |$))', '\1', 'g');
    END IF;
    plain := btrim(plain);
    RETURN CASE WHEN plain LIKE 'the _%' THEN substr(plain, 5) ELSE plain END;
END
$function$;

COMMENT ON FUNCTION connection_paths.plain_name(text) IS 'A name in lower case, without accents and punctuation, as names are compared';

REVOKE ALL ON FUNCTION connection_paths.plain_name(text) FROM PUBLIC;

-- connection_paths.without_legal_form(plain)
--
-- Removes legal forms such as gmbh and co kg from the end of a name.
--
-- Parameters
--     plain  A name as plain_name returns it. NULL gives NULL.
-- Returns
--     The words that are left; at least one word stays.
-- Errors
--     none
-- Reads
--     legal_forms
-- Writes
--     none
-- Used by
--     add_company_names, refresh_organization_names
-- Why
--     The longest legal form at the end is removed first, and then the next one, because a name may end with several:
--     Co. Ltd.
CREATE OR REPLACE FUNCTION connection_paths.without_legal_form(plain text)
RETURNS text
LANGUAGE plpgsql
STABLE
STRICT
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    rest text[] := string_to_array(without_legal_form.plain, ' ');
    form_words integer;
BEGIN
    LOOP
        SELECT max(f.words)
        INTO form_words
        FROM connection_paths.legal_forms AS f
        WHERE f.last_word = rest[cardinality(rest)]
            AND f.words < cardinality(rest)
            AND f.form = array_to_string(rest[cardinality(rest) - f.words + 1:], ' ');
        EXIT WHEN form_words IS NULL;
        rest := rest[:cardinality(rest) - form_words];
    END LOOP;
    RETURN array_to_string(rest, ' ');
END
$function$;

COMMENT ON FUNCTION connection_paths.without_legal_form(text) IS 'A plain name without legal forms at its end';

REVOKE ALL ON FUNCTION connection_paths.without_legal_form(text) FROM PUBLIC;

-- connection_paths.is_junk_name(words)
--
-- Whether a name is a junk name, which people write when they have no employer, such as Self-employed.
--
-- Parameters
--     words  A name as plain_name returns it, without its legal form. NULL gives NULL.
-- Returns
--     true for such names, for names of one letter, and for names of digits only.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     propose_names, sql/queries/host/junk_names.sql
-- Why
--     People who write Freelance did not work together, even if an organization has this name. A person may still
--     accept such a name. The list has names in several languages, as plain_name writes them.
CREATE OR REPLACE FUNCTION connection_paths.is_junk_name(words text)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT length(is_junk_name.words) < 2
        OR is_junk_name.words ~ '^[0-9 ]+$'
        OR is_junk_name.words = ANY (
            '{
                self, self employed, selfemployed, self employment, freelance, freelancer, freelancing, independent,
                independent consultant, independent contractor, consultant, consulting, contractor, various,
                various companies, several companies, multiple, multiple companies, confidential,
                confidential company, private, private company, stealth, stealth startup, stealth mode,
                stealth mode startup, startup, start up, own business, own company, my own company, none, na, n a,
                not applicable, unknown, undisclosed, unemployed, retired, student, homemaker, sabbatical,
                career break, parental leave, looking for opportunities, open to work, seeking opportunities, home,
                company, test, tbd, other, self employed freelancer, freelance consultant, between jobs,
                currently unemployed, job seeker, stay at home mom, stay at home parent, volunteer,
                selbststandig, selbstandig, freiberufler, freiberuflich, freischaffend, arbeitslos, arbeitssuchend,
                arbeitsuchend, rentner, im ruhestand, diverse, diverse firmen, verschiedene, vertraulich, elternzeit,
                independant, auto entrepreneur, autoentrepreneur, micro entrepreneur, a mon compte, sans emploi,
                profession liberale, recherche d emploi, recherche demploi, retraite, etudiant, divers, confidentiel,
                autonomo, autonoma, trabajador autonomo, por cuenta propia, cuenta propia, trabajo independiente,
                independiente, desempleado, jubilado, estudiante, varios, confidencial,
                profissional liberal, trabalhador independente, desempregado, aposentado, estudante, diversos,
                libero professionista, lavoratore autonomo, in proprio, disoccupato, pensionato, studente, varie,
                zelfstandig, zelfstandige, zelfstandig ondernemer, zzp, zzper, werkloos, gepensioneerd,
                samozatrudnienie, wlasna dzialalnosc, dzialalnosc gospodarcza, emeryt,
                egenforetagare, eget foretag, egen virksomhet, selvstaendig, selvstendig, pensionerad, arbetslos,
                serbest, serbest calisan, emekli, issiz
            }'::text[]
        );
END;

COMMENT ON FUNCTION connection_paths.is_junk_name(text) IS 'Whether a name is a junk name, such as self employed; part of propose_names';

REVOKE ALL ON FUNCTION connection_paths.is_junk_name(text) FROM PUBLIC;

-- connection_paths.name_keys(words)
--
-- Computes the keys by which similar names are found: one for each word and one for each pair of words.
--
-- Parameters
--     words  The words of a name, such as plain_name and without_legal_form return them. NULL gives no keys.
-- Returns
--     The keys, each once. Only the first six words have keys.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     refresh_organization_names, similar_organizations
-- Why
--     Too many names have the same frequent word, so not all of them can be compared. Few names have the same two
--     words. The order of the two words does not matter.
CREATE OR REPLACE FUNCTION connection_paths.name_keys(words text[])
RETURNS bigint[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT ARRAY(
        SELECT hashtextextended(w.word COLLATE "C", 0)
        FROM unnest(name_keys.words[:6]) AS w (word)
        UNION
        SELECT hashtextextended((LEAST(a.word, b.word) || ' ' || GREATEST(a.word, b.word)) COLLATE "C", 0)
        FROM unnest(name_keys.words[:6]) WITH ORDINALITY AS a (word, place)
        JOIN unnest(name_keys.words[:6]) WITH ORDINALITY AS b (word, place) ON a.place < b.place
    );
END;

COMMENT ON FUNCTION connection_paths.name_keys(text[]) IS 'The keys of a name: one for each word and each two words; similar names have some in common';

REVOKE ALL ON FUNCTION connection_paths.name_keys(text[]) FROM PUBLIC;

-- connection_paths.typing_forms(word)
--
-- Computes keys that two words have in common when one is the other with a mistake of typing.
--
-- Parameters
--     word  A word. NULL gives no keys.
-- Returns
--     A key of the word, and a key of each text that is the word without one of its letters. Words of fewer than four
--     letters have no keys, and only the first 20 letters count.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     refresh_organization_names, similar_organizations
-- Why
--     Two words that differ by one letter (left out, added, replaced, or exchanged with the next one) have a key in
--     common. So an index finds them, and no word is compared with all others.
CREATE OR REPLACE FUNCTION connection_paths.typing_forms(word text)
RETURNS bigint[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT ARRAY(
        SELECT hashtextextended(typing_forms.word COLLATE "C", 1) WHERE length(typing_forms.word) > 3
        UNION
        SELECT
            hashtextextended(
                (substr(typing_forms.word, 1, p.place - 1) || substr(typing_forms.word, p.place + 1)) COLLATE "C", 1
            )
        FROM generate_series(1, LEAST(length(typing_forms.word), 20)) AS p (place)
        WHERE length(typing_forms.word) > 3
    );
END;

COMMENT ON FUNCTION connection_paths.typing_forms(text) IS 'Keys that two words have in common when they differ by a mistake of typing';

REVOKE ALL ON FUNCTION connection_paths.typing_forms(text) FROM PUBLIC;

-- connection_paths.refresh_organization_names(above_organization_id, max_organizations, changed_at)
--
-- Brings organization_names up to date for the next organizations in the order of their ids.
--
-- Parameters
--     above_organization_id  Begin above this id. NULL: begin with the first one.
--     max_organizations      How many organizations to look at, at least 1. Required.
--     changed_at             When the change of the organizations was made. NULL, the default: now.
-- Returns
--     One row.
--     upto_organization_id  The last id that was looked at. NULL: there are no more organizations.
--     looked_at             The number of organizations that were looked at.
--     changed               The number of rows that were inserted, updated or deleted.
-- Errors
--     none
-- Reads
--     known_organizations, organization_names
-- Writes
--     organization_names, organization_keys, organization_words, company_names
-- Used by
--     propose_new_names, sql/queries/names/refresh_organization_names.sql
-- Why
--     Only names that have changed are written in plain form again. Company names that differ from a new or changed
--     name at most in the legal form are marked, so that propose_names looks for candidates again. Words stay in
--     organization_words when no name has them any longer; this does no harm. Call the function again with the
--     returned id until it is NULL. The last call also deletes the names of organizations above the last id. There is
--     no id above the greatest bigint, so `lowest` is NULL then and the call finds nothing.
CREATE OR REPLACE FUNCTION connection_paths.refresh_organization_names(
    above_organization_id bigint,
    max_organizations integer,
    changed_at timestamptz DEFAULT NULL
)
RETURNS TABLE (upto_organization_id bigint, looked_at bigint, changed bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    lowest CONSTANT bigint := CASE
        WHEN refresh_organization_names.above_organization_id IS NULL THEN -9223372036854775808
        WHEN refresh_organization_names.above_organization_id < 9223372036854775807
            THEN refresh_organization_names.above_organization_id + 1
    END;
BEGIN
    SELECT max(s.id), count(*)
    INTO upto_organization_id, looked_at
    FROM (
        SELECT o.id
        FROM connection_paths.known_organizations AS o
        WHERE o.id >= lowest
        ORDER BY o.id
        LIMIT refresh_organization_names.max_organizations
    ) AS s;

    WITH present AS (
        SELECT o.id, COALESCE(substr(o.name, 1, 200), '') AS name
        FROM connection_paths.known_organizations AS o
        WHERE o.id >= lowest AND o.id <= refresh_organization_names.upto_organization_id
    ),
    deleted AS (
        DELETE FROM connection_paths.organization_names AS n
        WHERE n.organization_id >= lowest
            AND n.organization_id <= COALESCE(refresh_organization_names.upto_organization_id, 9223372036854775807)
            AND NOT EXISTS (SELECT FROM present AS p WHERE p.id = n.organization_id)
        RETURNING n.organization_id, n.short_key
    ),
    plain AS (
        SELECT p.id, p.name, connection_paths.plain_name(p.name) AS plain
        FROM present AS p
        LEFT JOIN connection_paths.organization_names AS n ON n.organization_id = p.id
        WHERE n.name IS DISTINCT FROM p.name
        OFFSET 0
    ),
    short AS (
        SELECT p.id, p.name, p.plain, connection_paths.without_legal_form(p.plain) AS words
        FROM plain AS p
        OFFSET 0
    ),
    written AS (
        INSERT INTO connection_paths.organization_names AS n (organization_id, name, words, full_key, short_key)
        SELECT s.id, s.name, s.words, replace(s.plain, ' ', ''), replace(s.words, ' ', '')
        FROM short AS s
        ON CONFLICT (organization_id) DO UPDATE
            SET name = excluded.name,
                words = excluded.words,
                full_key = excluded.full_key,
                short_key = excluded.short_key,
                changed_at = excluded.changed_at
        RETURNING n.organization_id, n.short_key, n.words
    ),
    old_keys AS (
        DELETE FROM connection_paths.organization_keys AS k
        USING (
            SELECT d.organization_id, NULL AS words FROM deleted AS d
            UNION ALL
            SELECT w.organization_id, w.words FROM written AS w
        ) AS c
        WHERE k.organization_id = c.organization_id
            AND (c.words IS NULL OR k.key <> ALL (connection_paths.name_keys(string_to_array(c.words, ' '))))
    ),
    new_keys AS (
        INSERT INTO connection_paths.organization_keys (key, organization_id)
        SELECT k.key, w.organization_id
        FROM written AS w
        CROSS JOIN LATERAL unnest(connection_paths.name_keys(string_to_array(w.words, ' '))) AS k (key)
        ON CONFLICT DO NOTHING
    ),
    new_words AS (
        INSERT INTO connection_paths.organization_words (form, word)
        SELECT f.form, u.word
        FROM (
            SELECT DISTINCT s.word
            FROM written AS w
            CROSS JOIN LATERAL unnest((string_to_array(w.words, ' '))[:6]) AS s (word)
        ) AS u
        CROSS JOIN LATERAL unnest(connection_paths.typing_forms(u.word)) AS f (form)
        ON CONFLICT DO NOTHING
    ),
    again AS (
        UPDATE connection_paths.company_names AS c
        SET proposed_at = NULL, changed_at = COALESCE(refresh_organization_names.changed_at, now())
        WHERE c.proposed_at IS NOT NULL
            AND c.short_key IN (SELECT w.short_key FROM written AS w UNION ALL SELECT d.short_key FROM deleted AS d)
    )
    SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM written)
    INTO changed;
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.refresh_organization_names(bigint, integer, timestamptz) IS 'Brings the names of some organizations up to date in organization_names; part of orchestrator resolve propose';

REVOKE ALL ON FUNCTION connection_paths.refresh_organization_names(bigint, integer, timestamptz) FROM PUBLIC;

-- connection_paths.add_company_names(names, experiences, changed_at)
--
-- Inserts company names into company_names, with the plain forms that are compared.
--
-- Parameters
--     names        Company names, each once. NULL or empty: nothing is inserted.
--     experiences  How many work experiences have each name, in the same order. Required.
--     changed_at   When the change was made that brought the names. NULL, the default: now.
-- Returns
--     The number of names that are new.
-- Errors
--     none
-- Reads
--     company_names
-- Writes
--     company_names
-- Used by
--     propose_new_names, refresh_company_names
-- Why
--     The names are inserted in their order, so two sessions that insert the same names do not deadlock. The
--     plain forms of a name that is there already are not computed again.
CREATE OR REPLACE FUNCTION connection_paths.add_company_names(
    names text[],
    experiences bigint[],
    changed_at timestamptz DEFAULT NULL
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    added bigint;
BEGIN
    WITH plain AS (
        SELECT s.name, s.experiences, connection_paths.plain_name(s.name) AS plain
        FROM unnest(add_company_names.names, add_company_names.experiences) AS s (name, experiences)
        WHERE NOT EXISTS (SELECT FROM connection_paths.company_names AS c WHERE c.company_name = s.name COLLATE "C")
        OFFSET 0
    ),
    short AS (
        SELECT p.name, p.experiences, p.plain, connection_paths.without_legal_form(p.plain) AS words
        FROM plain AS p
        OFFSET 0
    )
    INSERT INTO connection_paths.company_names (company_name, experiences, words, full_key, short_key, changed_at)
    SELECT
        s.name,
        s.experiences,
        s.words,
        replace(s.plain, ' ', ''),
        replace(s.words, ' ', ''),
        COALESCE(add_company_names.changed_at, now())
    FROM short AS s
    ORDER BY s.name COLLATE "C"
    ON CONFLICT (company_name) DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END
$function$;

COMMENT ON FUNCTION connection_paths.add_company_names(text[], bigint[], timestamptz) IS 'Inserts company names into company_names; part of orchestrator resolve propose and of sync';

REVOKE ALL ON FUNCTION connection_paths.add_company_names(text[], bigint[], timestamptz) FROM PUBLIC;

-- connection_paths.refresh_company_names(above_name, max_names)
--
-- Brings company_names up to date for the next names in the order of the bytes.
--
-- Parameters
--     above_name  Begin above this name. NULL: begin with the first one.
--     max_names   How many names to look at, at least 1. Required.
-- Returns
--     One row.
--     upto_name  The last name that was looked at. NULL: there are no more names.
--     looked_at  The number of names that were looked at.
--     added      The number of new names.
-- Errors
--     42P01  Company names are not resolved yet: orchestrator resolve propose has not been run.
-- Reads
--     named_experiences
-- Writes
--     company_names, name_proposals
-- Used by
--     sql/queries/names/refresh_company_names.sql
-- Why
--     The names are read from an index in their order, so a call needs little memory and any call can be the first one
--     after an interruption. Names that no work experience has any longer are deleted with their proposals; decisions
--     stay.
CREATE OR REPLACE FUNCTION connection_paths.refresh_company_names(above_name text, max_names integer)
RETURNS TABLE (upto_name text, looked_at bigint, added bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
SET enable_hashagg = off
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    lowest CONSTANT text := COALESCE(refresh_company_names.above_name, '');
    names text[];
    counts bigint[];
BEGIN
    SELECT array_agg(s.company_name ORDER BY s.company_name), array_agg(s.experiences ORDER BY s.company_name)
    INTO names, counts
    FROM (
        SELECT e.company_name, count(*) AS experiences
        FROM connection_paths.named_experiences AS e
        WHERE e.company_name > lowest
        GROUP BY e.company_name
        ORDER BY e.company_name
        LIMIT refresh_company_names.max_names
    ) AS s;
    looked_at := COALESCE(cardinality(names), 0);
    upto_name := names[looked_at];

    WITH deleted AS (
        DELETE FROM connection_paths.company_names AS c
        WHERE c.company_name > lowest
            AND (upto_name IS NULL OR c.company_name <= upto_name)
            AND NOT EXISTS (SELECT FROM unnest(names) AS s (name) WHERE s.name = c.company_name COLLATE "C")
            -- since the names were read, sync may have inserted one
            AND NOT EXISTS (
                SELECT FROM connection_paths.named_experiences AS e WHERE e.company_name = c.company_name
            )
        RETURNING c.company_name
    )
    DELETE FROM connection_paths.name_proposals AS p
    WHERE p.company_name IN (SELECT d.company_name FROM deleted AS d);

    UPDATE connection_paths.company_names AS c
    SET experiences = s.experiences
    FROM unnest(names, counts) AS s (name, experiences)
    WHERE c.company_name = s.name COLLATE "C" AND c.experiences <> s.experiences;

    added := connection_paths.add_company_names(names, counts);
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.refresh_company_names(text, integer) IS 'Brings some company names up to date in company_names; part of orchestrator resolve propose';

REVOKE ALL ON FUNCTION connection_paths.refresh_company_names(text, integer) FROM PUBLIC;

-- connection_paths.similar_organizations(company_names, min_score)
--
-- Finds organizations with similar names, by the extension pg_trgm.
--
-- Parameters
--     company_names  Names that are in the table company_names. Required.
--     min_score      The least similarity of the trigrams, between 0 and 1. Required.
-- Returns
--     Up to five rows for each name. No row when the extension pg_trgm is not installed.
--     company_name     The name.
--     organization_id  An organization with a similar name.
--     score            The similarity of the trigrams of the two names, without their legal forms.
-- Errors
--     none
-- Reads
--     company_names, organization_names, organization_keys, organization_words
-- Writes
--     none
-- Used by
--     propose_names
-- Why
--     Names are compared only with organizations that share a word or two words with them (name_keys). A word that no
--     organization has, and each word of a name of one or two words, also counts as the words that differ from it by a
--     mistake of typing (typing_forms). Keys of more than 100 organizations are left out, so the time for a name does
--     not grow with the number of organizations. For 21,711 names and 100,000 organizations, propose took 276 s with
--     an index of trigrams and 105 s with keys, on a busy machine, and found as many of the right organizations.
--
--     The extension may be in any schema and may be missing. So the query is built when it is executed. It contains no
--     value of a caller, only the name of the schema.
CREATE OR REPLACE FUNCTION connection_paths.similar_organizations(company_names text[], min_score real)
RETURNS TABLE (company_name text, organization_id bigint, score real)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    extension_schema text;
BEGIN
    SELECT n.nspname
    INTO extension_schema
    FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_trgm';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE pg_catalog.format(
        $query$
        WITH words AS MATERIALIZED (
            SELECT c.company_name, u.word, u.place, cardinality(string_to_array(c.words, ' ')) AS words
            FROM connection_paths.company_names AS c
            CROSS JOIN LATERAL unnest((string_to_array(c.words, ' '))[:6]) WITH ORDINALITY AS u (word, place)
            WHERE c.company_name = ANY ($1)
        ),
        meanings AS MATERIALIZED (
            SELECT w.company_name, w.word, w.place
            FROM words AS w
            UNION ALL
            SELECT w.company_name, t.word, w.place
            FROM words AS w
            CROSS JOIN LATERAL (
                SELECT DISTINCT f.word
                FROM connection_paths.organization_words AS f
                WHERE f.form = ANY (connection_paths.typing_forms(w.word)) AND f.word <> w.word COLLATE "C"
                LIMIT 20
            ) AS t
            WHERE w.words < 3 OR NOT EXISTS (
                SELECT
                FROM connection_paths.organization_keys AS k
                WHERE k.key = ANY (connection_paths.name_keys(ARRAY[w.word]))
            )
        ),
        keys AS (
            SELECT m.company_name, k.key
            FROM meanings AS m
            CROSS JOIN LATERAL unnest(connection_paths.name_keys(ARRAY[m.word])) AS k (key)
            UNION
            SELECT a.company_name, k.key
            FROM meanings AS a
            JOIN meanings AS b ON b.company_name = a.company_name AND b.place > a.place
            CROSS JOIN LATERAL unnest(connection_paths.name_keys(ARRAY[a.word, b.word])) AS k (key)
        ),
        candidates AS MATERIALIZED (
            SELECT DISTINCT y.company_name, o.organization_id
            FROM keys AS y
            CROSS JOIN LATERAL (
                SELECT array_agg(s.organization_id) AS ids
                FROM (
                    SELECT k.organization_id
                    FROM connection_paths.organization_keys AS k
                    WHERE k.key = y.key
                    LIMIT 101
                ) AS s
                HAVING count(*) <= 100
            ) AS i
            CROSS JOIN LATERAL unnest(i.ids) AS o (organization_id)
        )
        SELECT r.company_name, r.organization_id, r.score
        FROM (
            SELECT
                s.*,
                row_number() OVER (PARTITION BY s.company_name ORDER BY s.score DESC, s.organization_id) AS place
            FROM (
                SELECT d.company_name, d.organization_id, %1$I.similarity(n.words, c.words) AS score
                FROM candidates AS d
                JOIN connection_paths.company_names AS c ON c.company_name = d.company_name
                CROSS JOIN LATERAL (
                    SELECT o.words
                    FROM connection_paths.organization_names AS o
                    WHERE o.organization_id = d.organization_id
                    OFFSET 0
                ) AS n
                OFFSET 0
            ) AS s
            WHERE s.score >= $2
        ) AS r
        WHERE r.place <= 5
        $query$,
        extension_schema
    )
    USING similar_organizations.company_names, similar_organizations.min_score;
END
$function$;

COMMENT ON FUNCTION connection_paths.similar_organizations(text[], real) IS 'Organizations with similar names; part of propose_names';

REVOKE ALL ON FUNCTION connection_paths.similar_organizations(text[], real) FROM PUBLIC;

-- connection_paths.propose_names(max_names, min_score, accept_unique, batch_id)
--
-- Looks for the organizations that the next company names may mean.
--
-- Parameters
--     max_names      How many names to take, at least 1. Required.
--     min_score      The least similarity of a candidate, between 0 and 1. Required.
--     accept_unique  Whether a name that only one organization has is accepted. Required.
--     batch_id       The number that these decisions get. NULL: none.
-- Returns
--     One row.
--     taken     The number of names. 0: every name has been looked at.
--     proposed  The number of them that have candidates.
--     accepted  The number of them that were accepted.
-- Errors
--     none
-- Reads
--     company_names, organization_names, name_decision_history
-- Writes
--     company_names, name_proposals, name_decisions
-- Used by
--     propose_new_names, sql/queries/names/propose_names.sql
-- Why
--     A name is accepted when exactly one organization has it. Names that differ only in their legal form count as the
--     same: the name Acme is accepted if Acme Inc. is the only organization that is called Acme, with any legal form or
--     without one. Several organizations may have the name with different legal forms. Then the name is accepted if it
--     has a legal form and exactly one organization has it with this form. Two kinds of names are never accepted here:
--     junk names (is_junk_name), and names that somebody has decided before, even if the decision was undone.
--
--     Similar names are looked for only where no organization has the name. That look-up takes a hundred times as long.
--     The names of the oldest changes come first. So a sync reaches the names of changes that were made before it
--     began, even if new names come without end.
--
--     Rows that another session has taken are skipped, so several sessions may call this function at the same time.
CREATE OR REPLACE FUNCTION connection_paths.propose_names(
    max_names integer,
    min_score real,
    accept_unique boolean,
    batch_id bigint
)
RETURNS TABLE (taken bigint, proposed bigint, accepted bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    names text[];
    others text[];
BEGIN
    names := ARRAY(
        SELECT c.company_name
        FROM connection_paths.company_names AS c
        WHERE c.proposed_at IS NULL
        ORDER BY c.changed_at, c.company_name
        LIMIT propose_names.max_names
        FOR UPDATE SKIP LOCKED
    );
    taken := cardinality(names);
    DELETE FROM connection_paths.name_proposals AS p WHERE p.company_name = ANY (names);
    UPDATE connection_paths.company_names AS c SET proposed_at = now() WHERE c.company_name = ANY (names);

    INSERT INTO connection_paths.name_proposals (company_name, place, organization_id, score, reason)
    SELECT
        c.company_name,
        row_number() OVER (PARTITION BY c.company_name ORDER BY o.is_same DESC, o.organization_id),
        o.organization_id,
        1,
        CASE WHEN o.is_same THEN 'same name' ELSE 'other legal form' END
    FROM connection_paths.company_names AS c
    CROSS JOIN LATERAL (
        SELECT n.organization_id, n.full_key = c.full_key AS is_same
        FROM connection_paths.organization_names AS n
        WHERE n.short_key = c.short_key
        ORDER BY 2 DESC, 1
        LIMIT 5
    ) AS o
    WHERE c.company_name = ANY (names) AND c.short_key <> '';

    others := ARRAY(
        SELECT c.company_name
        FROM connection_paths.company_names AS c
        WHERE c.company_name = ANY (names)
            AND c.words <> ''
            AND NOT EXISTS (SELECT FROM connection_paths.name_proposals AS p WHERE p.company_name = c.company_name)
    );
    INSERT INTO connection_paths.name_proposals (company_name, place, organization_id, score, reason)
    SELECT
        s.company_name,
        row_number() OVER (PARTITION BY s.company_name ORDER BY s.score DESC, s.organization_id),
        s.organization_id,
        s.score,
        'similar'
    FROM connection_paths.similar_organizations(others, propose_names.min_score) AS s;
    SELECT count(DISTINCT p.company_name)
    INTO proposed
    FROM connection_paths.name_proposals AS p
    WHERE p.company_name = ANY (names);

    accepted := 0;
    IF propose_names.accept_unique THEN
        INSERT INTO connection_paths.name_decisions (company_name, organization_id, method, score, batch_id)
        SELECT f.company_name, f.organization_id, 'unique', 1, propose_names.batch_id
        FROM connection_paths.name_proposals AS f
        JOIN connection_paths.company_names AS c ON c.company_name = f.company_name
        LEFT JOIN connection_paths.name_proposals AS s ON s.company_name = f.company_name AND s.place = 2
        WHERE f.company_name = ANY (names)
            AND f.place = 1
            AND f.reason <> 'similar'
            AND (
                s.place IS NULL
                OR c.full_key <> c.short_key AND f.reason = 'same name' AND s.reason = 'other legal form'
            )
            AND NOT connection_paths.is_junk_name(c.words)
            AND NOT EXISTS (
                SELECT FROM connection_paths.name_decision_history AS h WHERE h.company_name = f.company_name
            )
        ON CONFLICT (company_name) DO NOTHING;
        GET DIAGNOSTICS accepted = ROW_COUNT;
    END IF;
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.propose_names(integer, real, boolean, bigint) IS 'Looks for organizations for the next company names, and accepts names that only one organization has; part of orchestrator resolve propose';

REVOKE ALL ON FUNCTION connection_paths.propose_names(integer, real, boolean, bigint) FROM PUBLIC;

-- connection_paths.propose_new_names(contact_ids, organization_ids, max_names, changed_at)
--
-- Looks for candidates of the new company names of changed contacts.
--
-- Parameters
--     contact_ids       Contacts whose work experiences may have new names. NULL: none.
--     organization_ids  Organizations that were added or removed. NULL: none.
--     max_names         For how many names to look for candidates at most, at least 1. Required.
--     changed_at        When the oldest of these changes was made. NULL: now.
-- Returns
--     The number of names for which candidates were looked for. 0: no name waits.
-- Errors
--     none
-- Reads
--     named_experiences, proposal_settings, company_names
-- Writes
--     company_names, name_changes
-- Used by
--     sync_changes
-- Why
--     With this function, sync finds candidates without a new call of orchestrator resolve propose. The function does
--     nothing until that command has read all organizations once (proposal_settings has a row): with few organizations
--     to compare with, it would find the wrong candidates. It accepts what the command would accept. More than
--     max_names names wait for the next call; sync calls again while changes_left.sql finds one.
--
--     An organization is read as a range of one id, which also removes a name whose organization is gone. A renamed
--     organization is not queued, so only resolve propose reads the new name.
--
--     What is accepted is queued with the time of the change that brought the name: a sync takes all changes made
--     before it began, and so makes the edges of the name, too.
--
--     New names and changed organizations are handled by one session at a time, which holds the row of
--     proposal_settings. Otherwise one session might compare a new name before the other has read its organization, and
--     the other would not see the new name to compare it again.
--
--     The settings exclude sequential scans, hash joins and merge joins: the planner expects many organizations in a
--     range of ids, and would read all keys.
CREATE OR REPLACE FUNCTION connection_paths.propose_new_names(
    contact_ids bigint[],
    organization_ids bigint[],
    max_names integer,
    changed_at timestamptz
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
DECLARE
    settings record;
    organization_id bigint;
    names text[];
    experiences bigint[];
    looked_at bigint := 0;
BEGIN
    IF to_regclass('connection_paths.named_experiences') IS NULL THEN
        RETURN 0;
    END IF;
    SELECT s.min_score, s.accepts_unique INTO settings FROM connection_paths.proposal_settings AS s;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    IF array_remove(propose_new_names.organization_ids, NULL) <> '{}' THEN -- one session at a time, from here to COMMIT
        PERFORM FROM connection_paths.proposal_settings AS s FOR UPDATE;
    END IF;
    FOR organization_id IN
        SELECT DISTINCT o.id
        FROM unnest(propose_new_names.organization_ids) AS o (id)
        WHERE o.id IS NOT NULL
        ORDER BY o.id
    LOOP
        -- NULL begins with the first organization: no id is below the least bigint
        PERFORM connection_paths.refresh_organization_names(
            NULLIF(organization_id, -9223372036854775808) - 1, 1, propose_new_names.changed_at
        );
    END LOOP;

    SELECT array_agg(s.company_name), array_agg(s.experiences)
    INTO names, experiences
    FROM (
        SELECT
            n.company_name,
            (
                SELECT count(*)
                FROM connection_paths.named_experiences AS e
                WHERE e.company_name = n.company_name
            ) AS experiences
        FROM (
            SELECT DISTINCT e.company_name
            FROM unnest(propose_new_names.contact_ids) AS i (id)
            CROSS JOIN LATERAL (
                SELECT x.company_name
                FROM connection_paths.named_experiences AS x
                WHERE x.contact_id = i.id
                OFFSET 0
            ) AS e
            WHERE NOT EXISTS (
                SELECT FROM connection_paths.company_names AS c WHERE c.company_name = e.company_name
            )
        ) AS n
    ) AS s;
    IF names IS NOT NULL OR EXISTS (SELECT FROM connection_paths.company_names AS c WHERE c.proposed_at IS NULL) THEN
        PERFORM FROM connection_paths.proposal_settings AS s FOR UPDATE;
    END IF;
    IF names IS NOT NULL THEN
        PERFORM connection_paths.add_company_names(names, experiences, propose_new_names.changed_at);
    END IF;

    IF EXISTS (SELECT FROM connection_paths.company_names AS c WHERE c.proposed_at IS NULL) THEN
        SELECT p.taken
        INTO looked_at
        FROM connection_paths.propose_names(
            propose_new_names.max_names,
            settings.min_score,
            settings.accepts_unique,
            nextval('connection_paths.name_batch_ids')
        ) AS p;
        UPDATE connection_paths.name_changes AS n
        SET changed_at = c.changed_at
        FROM connection_paths.company_names AS c
        WHERE n.written_by = pg_current_xact_id()
            AND c.company_name = n.company_name
            AND c.changed_at < n.changed_at;
    END IF;
    RETURN looked_at;
END
$function$;

COMMENT ON FUNCTION connection_paths.propose_new_names(bigint[], bigint[], integer, timestamptz) IS 'Looks for candidates of new company names; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.propose_new_names(bigint[], bigint[], integer, timestamptz) FROM PUBLIC;

-- connection_paths.undo_name_decisions(batch_id, company_name)
--
-- Undoes the decisions of a batch, or the latest change of the decision about one name.
--
-- Parameters
--     batch_id      The batch. NULL: company_name is given.
--     company_name  The name. NULL: batch_id is given.
-- Returns
--     One row for each name that the batch or the change concerned.
--     name       The name.
--     is_undone  true: the decision is as it was before. false: it was changed again later, and stays.
-- Errors
--     22023  Neither or both of the parameters are NULL.
-- Reads
--     name_decision_history, name_decisions
-- Writes
--     name_decisions
-- Used by
--     operators, sql/queries/names/undo_name_decisions.sql
-- Why
--     The undo is a change of name_decisions like any other: the history records it, and sync removes the edges.
CREATE OR REPLACE FUNCTION connection_paths.undo_name_decisions(
    batch_id bigint DEFAULT NULL,
    company_name text DEFAULT NULL
)
RETURNS TABLE (name text, is_undone boolean)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF num_nulls(undo_name_decisions.batch_id, undo_name_decisions.company_name) <> 1 THEN
        RAISE EXCEPTION 'give either batch_id or company_name'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'SELECT * FROM connection_paths.undo_name_decisions(batch_id => 1)';
    END IF;
    RETURN QUERY
    WITH changes AS MATERIALIZED (
        SELECT DISTINCT ON (h.company_name)
            h.company_name,
            h.before,
            undo_name_decisions.batch_id IS NULL OR EXISTS (
                SELECT
                FROM connection_paths.name_decisions AS d
                WHERE d.company_name = h.company_name AND d.batch_id = undo_name_decisions.batch_id
            ) AS is_current
        FROM connection_paths.name_decision_history AS h
        WHERE (h.batch_id = undo_name_decisions.batch_id AND undo_name_decisions.company_name IS NULL)
            OR h.change_id = (
                SELECT max(m.change_id)
                FROM connection_paths.name_decision_history AS m
                WHERE m.company_name = undo_name_decisions.company_name COLLATE "C"
            )
        ORDER BY h.company_name, h.change_id
    ),
    gone AS (
        DELETE FROM connection_paths.name_decisions AS d
        USING changes AS c
        WHERE c.is_current AND c.before IS NULL AND d.company_name = c.company_name
    ),
    restored AS (
        INSERT INTO connection_paths.name_decisions AS d
        SELECT r.*
        FROM changes AS c
        CROSS JOIN LATERAL jsonb_populate_record(NULL::connection_paths.name_decisions, c.before) AS r
        WHERE c.is_current AND c.before IS NOT NULL
        ON CONFLICT ON CONSTRAINT name_decisions_pkey DO UPDATE
            SET organization_id = excluded.organization_id,
                method = excluded.method,
                score = excluded.score,
                batch_id = excluded.batch_id,
                decided_by = excluded.decided_by,
                decided_at = excluded.decided_at
    )
    SELECT c.company_name::text, c.is_current
    FROM changes AS c;
END
$function$;

COMMENT ON FUNCTION connection_paths.undo_name_decisions(bigint, text) IS 'Undoes the name decisions of a batch, or the latest change of the decision about one name';

REVOKE ALL ON FUNCTION connection_paths.undo_name_decisions(bigint, text) FROM PUBLIC;
INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ('f273f0277f77ccc1d9fdf7dacc2420e4c5b6671c9f5ae05e11926548ca648f6c', '0010_company_name_functions', now() AT TIME ZONE 'UTC');
COMMIT;
\endif

SELECT pg_advisory_unlock_all() \g /dev/null
RESET ALL;
\echo connection_paths 0.1.0 is installed for host schema :host_schema

-- The differences between the three group roles as they are and as they should be, each with the statement that removes
-- it, in the order in which to execute the statements. No row: there is no difference.
--
-- Parameters: prefix (of the roles' names); installer (a role that must be able to install and rebuild; NULL: none);
-- readable (the functions, tables and views that a reader needs).
-- about: 'attribute' needs a decision by a person, 'role' needs CREATEROLE, 'object' needs the owner of the objects.
WITH group_roles (suffix, name, purpose) AS (
    SELECT s.suffix, %(prefix)s::text || '_' || s.suffix, s.purpose
    FROM (
        VALUES
            ('reader'::text, 'may search paths'::text),
            ('operator', 'may also compute edges'),
            ('owner', 'owns the package')
    ) AS s (suffix, purpose)
),
-- The rights of each role. An operator also has the rights of a reader, and the owner those of an operator.
rights (suffix, class, names, privileges) AS (
    VALUES
        ('reader', 'SCHEMA', '{connection_paths}'::text[], '{USAGE}'::text[]),
        ('reader', 'TABLE', %(readable)s::text[], '{SELECT}'),
        ('reader', 'FUNCTION', %(readable)s::text[], '{EXECUTE}'),
        ('operator', 'TABLE', '{contact_connections, finder_rollout, introduction_limits, organization_policy}', '{INSERT,UPDATE,DELETE}'),
        ('operator', 'TABLE', '{
            organization_sizes, backfill_runs, backfill_batches, contact_changes, due_changes, capture_failures, rebuild_replays,
            rebuild_other_kinds, rebuild_missing_contacts, legal_forms, organization_names, organization_keys,
            organization_words, company_names,
            name_proposals, proposal_settings, name_decisions, name_changes
        }', '{SELECT,INSERT,UPDATE,DELETE}'),
        -- resolve propose begins again when the list of legal forms has changed
        ('operator', 'TABLE', '{
            organization_names, organization_keys, organization_words, company_names, name_proposals, proposal_settings
        }', '{TRUNCATE}'),
        ('operator', 'TABLE', '{detached_sources, name_decision_history}', '{SELECT}'),
        ('operator', 'TABLE', '{introduction_requests}', '{DELETE}'),
        ('operator', 'TABLE', '{backfill_progress}', '{SELECT}'),
        ('operator', 'SEQUENCE', '{backfill_worker_ids, name_batch_ids}', '{USAGE}'),
        ('operator', 'FUNCTION', '{
            add_company_names, advisory_key, await_refreshes, backfill_contact, begin_indexing, begin_refresh,
            cancel_run, claim_batch, claim_finish, class_fits, contacts_to_refresh, copy_other_kinds,
            count_is_good_for, count_organizations, counted_overlaps, create_run, delete_requests, do_batch,
            drop_rebuild, edge_ends, fail_batch, finish_run, is_junk_name, live_overlaps, lock_active_run,
            lock_holders, longest_wait, mark_exchanged, missing_contacts, missing_rebuild_indexes, name_keys,
            next_overlaps, overlaps_by_contact, pause_run, place_rebuild, plain_name, predicted_edges, prepare_rebuild,
            propose_names, propose_new_names, queue_affected_contacts, queue_changes, queue_due_contacts,
            queue_everyone, queue_named_contacts, rebuild_range, rebuilt_edges, recount_organizations,
            recover_capture, redirect_searches, refresh_company_names, refresh_one_by_one,
            refresh_organization_names, refresh_range, register_worker, request_cancel, require_batches_done,
            require_exchangeable, require_read_committed, require_rebuild, require_sources, resize_organizations,
            resume_run, schedule_refreshes, set_aside_batch, set_max_workers, similar_organizations, split_batch,
            stored_overlaps, sync_changes, take_changes, typing_forms, undo_name_decisions, wake_listener,
            wanted_edges, watch_other_kinds, without_legal_form, write_differences,
            write_edges
        }', '{EXECUTE}')
),
objects (class, name, identity, owner, acl) AS (
    SELECT
        'SCHEMA', n.nspname::text, format('%%I', n.nspname), n.nspowner,
        COALESCE(n.nspacl, acldefault('n', n.nspowner))
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname = 'connection_paths'
    UNION ALL
    SELECT
        CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
        c.relname::text,
        format('connection_paths.%%I', c.relname),
        c.relowner,
        COALESCE(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = to_regnamespace('connection_paths')
        AND c.relkind IN ('r', 'p', 'v', 'S')
        AND NOT EXISTS ( -- the sequence of an identity column belongs to its table
            SELECT
            FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND c.relkind = 'S' AND d.deptype = 'i'
        )
    UNION ALL
    SELECT
        'FUNCTION', p.proname::text, p.oid::regprocedure::text, p.proowner,
        COALESCE(p.proacl, acldefault('f', p.proowner))
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = to_regnamespace('connection_paths')
    UNION ALL
    SELECT
        'TYPE', t.typname::text, format('connection_paths.%%I', t.typname), t.typowner,
        COALESCE(t.typacl, acldefault('T', t.typowner))
    FROM pg_catalog.pg_type AS t
    WHERE t.typnamespace = to_regnamespace('connection_paths') AND t.typtype = 'e'
),
wanted AS (
    SELECT format('%%I', g.name) AS grantee, o.class, o.identity, p.privilege
    FROM rights AS r
    JOIN group_roles AS g ON g.suffix = r.suffix
    JOIN objects AS o ON o.class = r.class AND o.name = ANY (r.names)
    CROSS JOIN unnest(r.privileges) AS p (privilege)
    UNION ALL
    -- An index with such an expression calls the function with the rights of the role that writes a row.
    SELECT 'PUBLIC', o.class, o.identity, 'EXECUTE'
    FROM objects AS o
    WHERE o.class = 'FUNCTION' AND o.name IN ('to_day', 'first_day', 'to_id', 'uuid_key')
),
present AS (
    SELECT COALESCE(quote_ident(g.name), 'PUBLIC') AS grantee, o.class, o.identity, a.privilege_type AS privilege
    FROM objects AS o
    CROSS JOIN LATERAL aclexplode(o.acl) AS a
    LEFT JOIN group_roles AS g ON a.grantee = to_regrole(quote_ident(g.name)) AND g.suffix <> 'owner'
    WHERE a.grantee = 0 OR g.name IS NOT NULL
),
server AS (
    SELECT current_setting('server_version_num')::integer >= 160000 AS has_set_option
)
SELECT 1 AS step, 'attribute' AS about,
    format('role %%I may log in, or has an attribute that a group role must not have', r.rolname) AS problem,
    format('ALTER ROLE %%I NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS', r.rolname) AS remedy
FROM group_roles AS g
JOIN pg_catalog.pg_roles AS r ON r.rolname = g.name
WHERE r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
UNION ALL
SELECT 1, 'attribute',
    format('role %%I exists and connection_paths did not create it', r.rolname),
    format('COMMENT ON ROLE %%I IS %%L', r.rolname, 'connection_paths: taken over')
FROM group_roles AS g
JOIN pg_catalog.pg_roles AS r ON r.rolname = g.name
WHERE NOT COALESCE(starts_with(shobj_description(r.oid, 'pg_authid'), 'connection_paths: '::text), false)
    AND NOT EXISTS ( -- the role is in use here, and was restored without its comment
        SELECT
        FROM pg_catalog.pg_namespace AS n
        JOIN group_roles AS o ON o.suffix = 'owner' AND to_regrole(quote_ident(o.name)) = n.nspowner
        WHERE n.nspname = 'connection_paths'
    )
UNION ALL
SELECT 2, 'role', format('role %%I does not exist', g.name),
    format('CREATE ROLE %%I NOLOGIN; COMMENT ON ROLE %%I IS %%L', g.name, g.name, 'connection_paths: ' || g.purpose)
FROM group_roles AS g
WHERE to_regrole(quote_ident(g.name)) IS NULL
UNION ALL
SELECT 3, 'role', format('%%I is not a member of %%I', m.name, g.name), format('GRANT %%I TO %%I', g.name, m.name)
FROM group_roles AS g
JOIN group_roles AS m ON (g.suffix, m.suffix) IN (('reader', 'operator'), ('operator', 'owner'))
WHERE NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_auth_members AS a
        WHERE a.roleid = to_regrole(quote_ident(g.name)) AND a.member = to_regrole(quote_ident(m.name))
    )
UNION ALL
SELECT 4, 'role', format('%%I is not a member of %%I', r.rolname, g.name),
    format('GRANT %%I TO %%I', g.name, r.rolname)
    || CASE WHEN s.has_set_option THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END
FROM group_roles AS g
CROSS JOIN server AS s
JOIN pg_catalog.pg_roles AS r ON r.rolname = %(installer)s::text
LEFT JOIN pg_catalog.pg_roles AS o ON o.rolname = g.name
WHERE g.suffix = 'owner'
    AND NOT r.rolsuper
    AND (
        o.oid IS NULL
        OR NOT pg_has_role(r.oid, o.oid, 'USAGE')
        OR NOT pg_has_role(r.oid, o.oid, CASE WHEN s.has_set_option THEN 'SET' ELSE 'MEMBER' END)
    )
UNION ALL
SELECT
    CASE o.class WHEN 'SCHEMA' THEN 5 ELSE 6 END, 'object',
    format('%%s %%s belongs to %%s', lower(o.class), o.identity, o.owner::regrole),
    format('ALTER %%s %%s OWNER TO %%I', o.class, o.identity, g.name)
FROM objects AS o
JOIN group_roles AS g ON g.suffix = 'owner'
WHERE o.owner IS DISTINCT FROM to_regrole(quote_ident(g.name))
UNION ALL
SELECT 7, 'object',
    format('%%s has %%s on %%s %%s', p.grantee, string_agg(p.privilege, ', '), lower(p.class), p.identity),
    format('REVOKE %%s ON %%s %%s FROM %%s', string_agg(p.privilege, ', '), p.class, p.identity, p.grantee)
FROM (SELECT * FROM present EXCEPT SELECT * FROM wanted) AS p
GROUP BY p.grantee, p.class, p.identity
UNION ALL
SELECT 8, 'object',
    format('%%s lacks %%s on %%s %%s', w.grantee, string_agg(w.privilege, ', '), lower(w.class), w.identity),
    format('GRANT %%s ON %%s %%s TO %%s', string_agg(w.privilege, ', '), w.class, w.identity, w.grantee)
FROM (SELECT * FROM wanted EXCEPT SELECT * FROM present) AS w
GROUP BY w.grantee, w.class, w.identity
ORDER BY step, remedy

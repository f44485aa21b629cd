-- What a role that may only CREATE in a schema can put there for others to stumble over: {SCHEMA} stands for it.
-- Every function counts its calls in pg_stat_user_functions, and answers with nothing.
SET check_function_bodies = off;

-- Types with the names of those that our SQL names, and one that everything can be cast to.
DO $types$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{text,date,bigint,int8,int4,integer,boolean,bool,jsonb,timestamptz,xid8,regclass,oid,name,interval,numeric,connection_kind,everything}'::text[] LOOP
        EXECUTE format('CREATE TYPE %I.%I AS ENUM (''work_overlap'')', '{SCHEMA}', name);
    END LOOP;
END
$types$;

-- Casts from whatever occurs to that type: they make its operators and functions fit everything.
DO $casts$
DECLARE
    kind regtype;
BEGIN
    FOREACH kind IN ARRAY '{bigint,integer,text,varchar,name,oid,date,boolean,jsonb,timestamptz,interval,bigint[],xid8,numeric,float8,regclass}'::regtype[] LOOP
        EXECUTE format(
            'CREATE FUNCTION %I.%I(%s) RETURNS %1$I.everything LANGUAGE plpgsql AS ''BEGIN RETURN ''''work_overlap''''; END''',
            '{SCHEMA}', 'cast ' || kind, kind
        );
        EXECUTE format(
            'CREATE CAST (%s AS %I.everything) WITH FUNCTION %2$I.%3$I(%1$s) AS IMPLICIT', kind, '{SCHEMA}', 'cast ' || kind
        );
    END LOOP;
END
$casts$;

-- Operators for every pair of types that may meet.
DO $operators$
DECLARE
    kinds CONSTANT text[] := ARRAY[
        'bigint', 'integer', 'text', 'name', 'oid', 'regclass', '"char"', 'boolean', 'date', 'timestamptz', 'interval',
        'numeric', 'double precision', 'jsonb', 'xid8', 'bigint[]', 'text[]', 'anyenum', 'anyelement', 'anyarray',
        'anycompatible', '{SCHEMA}.everything'
    ];
    names CONSTANT text[] := '{=,<>,<,<=,>,>=,||,~~,~,+,-,*,/,@>,<@,&&,->,->>,<<,|,&}';
    l text;
    r text;
    name text;
BEGIN
    FOREACH l IN ARRAY kinds LOOP
        EXECUTE format('CREATE FUNCTION %I.%I(%s) RETURNS boolean LANGUAGE plpgsql AS ''BEGIN RETURN NULL; END''', '{SCHEMA}', '- ' || l, l);
        EXECUTE format('CREATE OPERATOR %1$I.- (FUNCTION = %1$I.%2$I, RIGHTARG = %3$s)', '{SCHEMA}', '- ' || l, l);
        FOREACH r IN ARRAY kinds LOOP
            EXECUTE format(
                'CREATE FUNCTION %I.%I(%s, %s) RETURNS boolean LANGUAGE plpgsql AS ''BEGIN RETURN NULL; END''',
                '{SCHEMA}', l || ' and ' || r, l, r
            );
            FOREACH name IN ARRAY names LOOP
                EXECUTE format(
                    'CREATE OPERATOR %1$I.%2$s (FUNCTION = %1$I.%3$I, LEFTARG = %4$s, RIGHTARG = %5$s)',
                    '{SCHEMA}', name, l || ' and ' || r, l, r
                );
            END LOOP;
        END LOOP;
    END LOOP;
END
$operators$;

-- Functions with the names of the server's that occur in our files: with its own argument types, where polymorphic with
-- exact ones, and with many others.
DO $functions$
DECLARE
    made record;
BEGIN
    FOR made IN
        WITH named AS (
            SELECT DISTINCT p.proname
            FROM pg_catalog.pg_proc AS p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY (string_to_array('{NAMES}', ','))
        ),
        kinds (one) AS (
            SELECT unnest(
                '{bigint,integer,text,name,oid,regclass,date,boolean,jsonb,timestamptz,interval,numeric,"double precision",bigint[],text[]}'::text[]
            )
        ),
        signatures AS (
            SELECT n.proname, ''::text AS arguments FROM named AS n
            UNION
            SELECT n.proname, k.one FROM named AS n CROSS JOIN kinds AS k
            UNION
            SELECT n.proname, format('%s, %s', k.one, o.one)
            FROM named AS n CROSS JOIN kinds AS k CROSS JOIN LATERAL (VALUES (k.one), ('integer'), ('text')) AS o (one)
            UNION
            SELECT n.proname, v.arguments
            FROM named AS n CROSS JOIN (VALUES ('VARIADIC text[]'), ('VARIADIC anyarray'), ('text, VARIADIC text[]'), ('text, text, boolean')) AS v (arguments)
            UNION
            SELECT p.proname, regexp_replace(regexp_replace(g.arguments, 'any\w*array', o.kind || '[]', 'g'), 'any\w*', o.kind, 'g')
            FROM named AS n
            JOIN pg_catalog.pg_proc AS p ON p.proname = n.proname AND p.pronamespace = 'pg_catalog'::regnamespace
            CROSS JOIN LATERAL pg_catalog.oidvectortypes(p.proargtypes) AS g (arguments)
            CROSS JOIN (VALUES ('bigint'), ('date'), ('text')) AS o (kind)
            WHERE p.provariadic = 0 AND g.arguments !~ 'internal|cstring|"any"|any[a-z]*range|anyenum'
        )
        SELECT s.proname, s.arguments FROM signatures AS s
    LOOP
        EXECUTE format(
            'CREATE OR REPLACE FUNCTION %I.%I(%s) RETURNS boolean LANGUAGE plpgsql AS ''BEGIN RETURN NULL; END''',
            '{SCHEMA}', made.proname, made.arguments
        );
    END LOOP;
END
$functions$;

-- Views with the names of our tables and views and, where the application has another schema, of its tables.
DO $views$
DECLARE
    name text;
BEGIN
    EXECUTE format('CREATE FUNCTION %I.looked() RETURNS bigint LANGUAGE plpgsql AS ''BEGIN RETURN 1; END''', '{SCHEMA}');
    FOREACH name IN ARRAY string_to_array('{RELATIONS}', ',') LOOP
        EXECUTE format(
            'CREATE VIEW %I.%I AS SELECT %1$I.looked() AS id, %1$I.looked() AS contact_id', '{SCHEMA}', name
        );
    END LOOP;
END
$views$;

GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC;

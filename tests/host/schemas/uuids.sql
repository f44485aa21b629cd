-- An application with uuid keys and quoted names, as Prisma makes them.
CREATE TABLE "User" (id uuid PRIMARY KEY, "displayName" text NOT NULL);
CREATE TABLE "Workspace" (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE "Company" (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE "Person" (id uuid PRIMARY KEY, "firstName" text, "lastName" text, "deletedAt" timestamp(3));
CREATE TABLE "Job" (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "personId" uuid NOT NULL REFERENCES "Person", "companyId" uuid REFERENCES "Company",
    "startedAt" timestamp(3), "endedAt" timestamp(3)
);
CREATE TABLE "Import" (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "userId" uuid REFERENCES "User", "personId" uuid NOT NULL REFERENCES "Person", "workspaceId" uuid NOT NULL REFERENCES "Workspace"
);

-- The uuid of the number 3 is 00000000-0000-4000-8000-000000000003.
CREATE FUNCTION as_uuid(number integer) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN ('00000000-0000-4000-8000-' || pg_catalog.lpad(number::text, 12, '0'))::uuid;

INSERT INTO "User" VALUES (as_uuid(7), 'Gus Gray'), (as_uuid(8), 'Hal Hunt');
INSERT INTO "Workspace" VALUES (as_uuid(1), 'Sales');
INSERT INTO "Company" VALUES (as_uuid(1), 'Acme'), (as_uuid(2), 'Byte'), (as_uuid(3), 'Cogs'), (as_uuid(4), 'Dead');
INSERT INTO "Person" VALUES
    (as_uuid(1), 'Ann', 'Adams', NULL), (as_uuid(2), 'Bob', 'Brown', NULL), (as_uuid(3), 'Cyd', 'Clark', NULL), (as_uuid(4), 'Dan', 'Davis', NULL),
    (as_uuid(5), 'Eve', 'Evans', '2022-01-01');
INSERT INTO "Job" ("personId", "companyId", "startedAt", "endedAt")
SELECT as_uuid(j.person), as_uuid(j.company), j.started, j.ended
FROM (VALUES
    (1, 1, '2015-01-01'::timestamp, '2018-06-01'::timestamp), (2, 1, '2017-01-01', NULL), (2, 2, '2014-01-01', '2016-12-01'),
    (3, 2, '2016-01-01', '2019-12-01'), (3, 3, '2020-01-01', NULL), (4, 3, '2019-01-01', '2021-03-01'), (5, 1, '2016-01-01', '2017-06-01')
) AS j (person, company, started, ended);
INSERT INTO "Import" ("userId", "personId", "workspaceId") VALUES (as_uuid(7), as_uuid(1), as_uuid(1)), (as_uuid(8), as_uuid(2), as_uuid(1));

-- A CRM export in a schema of its own: column names with blanks and capitals, ids as text, dates with a time zone.
CREATE SCHEMA hubspot;
CREATE TABLE hubspot."Contacts" (
    "Record ID" text PRIMARY KEY, "First Name" text, "Last Name" text, "Email" text, "Contact owner" text, "Archived" boolean
);
CREATE TABLE hubspot."Companies" ("Record ID" text PRIMARY KEY, "Company name" text, "Number of Employees" text, "Archived" boolean);
CREATE TABLE hubspot."Job History" (
    "Record ID" text PRIMARY KEY, "Contact ID" text, "Company ID" text, "Company" text, "Job Title" text, "Start Date" timestamptz, "End Date" timestamptz
);
CREATE TABLE hubspot."Contact Teams" ("Contact ID" text, "Owner ID" bigint, "Team ID" bigint, "Original Source" text);
CREATE TABLE hubspot."Owners" ("Owner ID" bigint PRIMARY KEY, "Full Name" text, "Email" text);
CREATE TABLE hubspot."Teams" ("Team ID" bigint PRIMARY KEY, "Team Name" text);

INSERT INTO hubspot."Contacts" VALUES
    ('1', 'Ann', 'Adams', 'a@example.com', '7', false), ('2', 'Bob', 'Brown', NULL, '8', false), ('3', 'Cyd', 'Clark', NULL, NULL, false),
    ('4', 'Dan', 'Davis', NULL, NULL, NULL), ('5', 'Eve', 'Evans', NULL, NULL, true);
INSERT INTO hubspot."Companies" VALUES
    ('1', 'Acme', '100', false), ('2', 'Byte', '10', false), ('3', 'Cogs', '', false), ('4', 'Dead', NULL, true), ('new', 'Newcomer', NULL, false);
INSERT INTO hubspot."Job History" VALUES
    ('1', '1', '1', 'Acme', NULL, '2015-01-01 10:00Z', '2018-06-01 00:00Z'), ('2', '2', '1', 'Acme', NULL, '2017-01-01 23:00Z', NULL),
    ('3', '2', '2', 'Byte', NULL, '2014-01-01 00:00Z', '2016-12-01 00:00Z'), ('4', '3', '2', 'Byte', NULL, '2016-01-01 00:00Z', '2019-12-01 00:00Z'),
    ('5', '3', '3', 'Cogs', NULL, '2020-01-01 00:00Z', NULL), ('6', '4', '3', 'Cogs', NULL, '2019-01-01 00:00Z', '2021-03-01 00:00Z'),
    ('7', '5', '1', 'Acme', NULL, '2016-01-01 00:00Z', '2017-06-01 00:00Z'), ('8', '1', '4', 'Dead', NULL, '2010-01-01 00:00Z', '2012-01-01 00:00Z'),
    ('9', '4', '4', 'Dead', NULL, '2010-01-01 00:00Z', '2012-01-01 00:00Z'), ('10', '4', '', 'Nowhere', NULL, '2010-01-01 00:00Z', NULL);
INSERT INTO hubspot."Contact Teams" VALUES ('1', 7, 1, 'OFFLINE'), ('2', 8, 1, 'DIRECT_TRAFFIC'), ('3', NULL, 1, 'OFFLINE');
INSERT INTO hubspot."Owners" VALUES (7, 'Gus Gray', 'g@example.com'), (8, 'Hal Hunt', 'h@example.com');
INSERT INTO hubspot."Teams" VALUES (1, 'Sales');

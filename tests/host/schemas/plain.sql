-- The four tables with the package's own names. They need no mapping.
CREATE TABLE contacts (id bigint PRIMARY KEY, name text);
CREATE TABLE organizations (id bigint PRIMARY KEY, name text);
CREATE TABLE contact_work_experiences (
    id bigint PRIMARY KEY, contact_id bigint NOT NULL, organization_id bigint, company_name text, date_from date, date_to date
);
CREATE TABLE user_contact_collections (user_id bigint, contact_id bigint NOT NULL, collection_id bigint NOT NULL, source smallint);

INSERT INTO contacts VALUES (1, 'Ann Adams'), (2, 'Bob Brown'), (3, 'Cyd Clark'), (4, 'Dan Davis');
INSERT INTO organizations VALUES (1, 'Acme'), (2, 'Byte'), (3, 'Cogs');
INSERT INTO contact_work_experiences VALUES
    (1, 1, 1, 'Acme', '2015-01-01', '2018-06-01'), (2, 2, 1, 'Acme', '2017-01-01', NULL),
    (3, 2, 2, 'Byte', '2014-01-01', '2016-12-01'), (4, 3, 2, 'Byte', '2016-01-01', '2019-12-01'),
    (5, 3, 3, 'Cogs', '2020-01-01', NULL), (6, 4, 3, 'Cogs', '2019-01-01', '2021-03-01'),
    (7, 5, 1, 'Acme', '2016-01-01', '2017-06-01'),
    (8, 1, 4, 'Dead', '2010-01-01', '2012-01-01'), (9, 4, 4, 'Dead', '2010-01-01', '2012-01-01');
INSERT INTO user_contact_collections VALUES (7, 1, 1, 0), (8, 2, 1, 1), (8, 3, 1, 99);

-- A Rails application: names of its own, soft deletes with the gem discard, names of people in two columns.
CREATE TABLE users (
    id bigserial PRIMARY KEY, email varchar NOT NULL, first_name varchar, last_name varchar,
    created_at timestamp(6) NOT NULL DEFAULT now()
);
CREATE TABLE teams (id bigserial PRIMARY KEY, name varchar NOT NULL, created_at timestamp(6) NOT NULL DEFAULT now());
CREATE TABLE companies (
    id bigserial PRIMARY KEY, name varchar NOT NULL, employees_count integer, discarded_at timestamp(6),
    created_at timestamp(6) NOT NULL DEFAULT now()
);
CREATE TABLE people (
    id bigserial PRIMARY KEY, first_name varchar, last_name varchar, email varchar, discarded_at timestamp(6),
    created_at timestamp(6) NOT NULL DEFAULT now()
);
CREATE TABLE positions (
    id bigserial PRIMARY KEY, person_id bigint NOT NULL REFERENCES people, company_id bigint REFERENCES companies,
    title varchar, started_on date, ended_on date, discarded_at timestamp(6),
    created_at timestamp(6) NOT NULL DEFAULT now()
);
CREATE TABLE team_contacts (
    id bigserial PRIMARY KEY, team_id bigint NOT NULL REFERENCES teams, person_id bigint NOT NULL REFERENCES people,
    user_id bigint REFERENCES users, origin varchar, created_at timestamp(6) NOT NULL DEFAULT now()
);
CREATE INDEX index_positions_on_person_id ON positions (person_id);
CREATE TABLE schema_migrations (version varchar PRIMARY KEY);

INSERT INTO users (id, email, first_name, last_name) VALUES (7, 'g@example.com', 'Gus', 'Gray'), (8, 'h@example.com', 'Hal', 'Hunt');
INSERT INTO teams (id, name) VALUES (1, 'Sales');
INSERT INTO companies (id, name, employees_count, discarded_at) VALUES
    (1, 'Acme', 100, NULL), (2, 'Byte', 10, NULL), (3, 'Cogs', NULL, NULL), (4, 'Dead', 5, '2020-01-01');
INSERT INTO people (id, first_name, last_name, discarded_at) VALUES
    (1, 'Ann', 'Adams', NULL), (2, 'Bob', 'Brown', NULL), (3, 'Cyd', 'Clark', NULL), (4, 'Dan', 'Davis', NULL),
    (5, 'Eve', 'Evans', '2022-01-01');
INSERT INTO positions (person_id, company_id, started_on, ended_on, discarded_at) VALUES
    (1, 1, '2015-01-01', '2018-06-01', NULL), (2, 1, '2017-01-01', NULL, NULL), (2, 2, '2014-01-01', '2016-12-01', NULL),
    (3, 2, '2016-01-01', '2019-12-01', NULL), (3, 3, '2020-01-01', NULL, NULL), (4, 3, '2019-01-01', '2021-03-01', NULL),
    (5, 1, '2016-01-01', '2017-06-01', NULL), (1, 4, '2010-01-01', '2012-01-01', NULL), (4, 4, '2010-01-01', '2012-01-01', NULL),
    (4, 1, '2015-01-01', NULL, '2022-01-01');
INSERT INTO team_contacts (team_id, person_id, user_id, origin) VALUES (1, 1, 7, 'gmail'), (1, 2, 8, 'import'), (1, 3, NULL, 'api');

-- The four tables of a demo host, in the first schema of the search path; those that exist are kept.
-- No foreign keys: real experiences point at organizations that are gone.
CREATE TABLE IF NOT EXISTS contacts (
    id bigint PRIMARY KEY,
    name text
);

CREATE TABLE IF NOT EXISTS organizations (
    id bigint PRIMARY KEY,
    name text
);

CREATE TABLE IF NOT EXISTS contact_work_experiences (
    id bigint PRIMARY KEY,
    contact_id bigint NOT NULL,
    organization_id bigint,
    company_name text,
    date_from date,
    date_to date
);

CREATE TABLE IF NOT EXISTS user_contact_collections (
    user_id bigint,
    contact_id bigint NOT NULL,
    collection_id bigint NOT NULL,
    source smallint
);

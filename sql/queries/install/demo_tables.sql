-- The four host tables in small, for `seed`: the columns the package reads and no others.
-- `seed` puts the schema in front of each name.
-- No foreign keys: real data names organizations that no longer exist, and so does demo data.

CREATE TABLE IF NOT EXISTS contacts (
    id   bigint PRIMARY KEY,
    name text
);

CREATE TABLE IF NOT EXISTS organizations (
    id   bigint PRIMARY KEY,
    name text
);

CREATE TABLE IF NOT EXISTS contact_work_experiences (
    id              bigint PRIMARY KEY,
    contact_id      bigint NOT NULL,
    organization_id bigint,
    company_name    text,
    date_from       date,
    date_to         date
);

CREATE TABLE IF NOT EXISTS user_contact_collections (
    user_id       bigint,
    contact_id    bigint NOT NULL,
    collection_id bigint NOT NULL,
    source        smallint
);

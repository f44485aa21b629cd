-- The four tables of the application, as `seed` creates them: only the columns that the package reads.
-- `seed` adds the schema to each name.
-- There are no foreign keys, because real data refers to deleted organizations, and so does demo data.

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

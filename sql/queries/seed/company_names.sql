-- The table with which `seed synthetic --truth` says which organization each company name means.
-- `seed` adds the schema to the name. organization_id is NULL where no such organization exists. A name that people use
-- for two organizations has two rows.

CREATE TABLE IF NOT EXISTS seed_company_names (
    company_name    text NOT NULL,
    organization_id bigint
);

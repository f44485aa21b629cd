-- Returns every row of the application's memberships, and whether the rule of the mapping counts it.
SELECT
    :user_contact_collections.collection_id AS collection_id,
    :user_contact_collections.contact_id AS contact_id,
    :user_contact_collections.user_id AS user_id,
    :user_contact_collections.source AS source,
    :user_contact_collections.rule AS is_counted
FROM :user_contact_collections.table AS m

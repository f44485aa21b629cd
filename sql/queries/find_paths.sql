-- One call of the application's entry.
SELECT connection_paths.find_paths(
    target_contact_id => %(target_contact_id)s,
    collection_id => %(collection_id)s,
    viewer_user_id => %(viewer_user_id)s,
    max_depth => %(max_depth)s,
    max_paths => %(max_paths)s,
    seed_scope => %(seed_scope)s,
    impl => %(impl)s,
    time_budget_ms => %(time_budget_ms)s
)

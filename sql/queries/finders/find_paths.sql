-- One call of the application's entry.
SELECT connection_paths.find_paths(
    target_contact_id => %(target_contact_id)s::bigint,
    collection_id => %(collection_id)s::bigint,
    viewer_user_id => %(viewer_user_id)s::bigint,
    max_depth => %(max_depth)s::integer,
    max_paths => %(max_paths)s::integer,
    seed_scope => %(seed_scope)s::text,
    impl => %(impl)s::text,
    time_budget_ms => %(time_budget_ms)s::integer,
    excluded_contact_ids => %(excluded_contact_ids)s::bigint[],
    max_edges_per_hop => %(max_edges_per_hop)s::integer,
    order_by => %(order_by)s::text,
    kinds => %(kinds)s::text[],
    min_strength => %(min_strength)s::integer,
    ended_after => %(ended_after)s::date,
    via_organization_ids => %(via_organization_ids)s::bigint[],
    not_via_organization_ids => %(not_via_organization_ids)s::bigint[],
    opener_user_ids => %(opener_user_ids)s::bigint[],
    max_per_introducer => %(max_per_introducer)s::integer,
    with_names => %(with_names)s::boolean,
    ids_as_text => %(ids_as_text)s::boolean
)

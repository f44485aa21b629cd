"""The functions that define an edge, and the finders. Each function comes after the functions that it needs."""

from orchestrator.install.steps import function

__depends__ = {"0004_host_indexes"}

function("edge_strength", "v1")
function("strength_tier", "v1")
function("overlap_days", "v1")
function("size_class", "v1")
function("known_people", "v1")
function("own_stints", "v1")
function("possible_overlaps", "v1")
function("work_overlaps", "v1")
function("search_limit", "v1")
function("check_finder_arguments", "v1")
function("checked_exclusions", "v1")
function("request_openers", "v1")
function("edges_from_experiences", "v1")
function("contact_edges", "v1")
function("better_edge", "v1")
function("edge_details", "v1")
function("askable_members", "v1")
function("chain_contacts", "v1")
function("path_rank", "v1")
function("near_members", "v1")
function("near_paths", "v1")
function("front_edges", "v1")
function("members_off_chain", "v1")
function("next_contacts", "v1")
function("search", "v1")
function("path_rows", "v1")
function("path_documents", "v1")
function("deep_finder", "v1")
function("legacy_finder", "v1")
function("count_around_target", "v1")
function("why_no_more", "v1")
function("find_paths", "v1")

function("refuse_transition", "v1")  # the triggers of the next migration need these two
function("queue_policy_changes", "v1")

"""What an edge is, and the finders, each in the order it needs the others."""

from orchestrator.install.steps import function

__depends__ = {"0004_host_indexes"}

function("possible_overlaps", "v1")
function("work_overlaps", "v1")
function("check_finder_arguments", "v1")
function("recent_edges", "v1")
function("member_edges", "v1")
function("walk", "v1")
function("openers", "v1")
function("edge_details", "v1")
function("walked_paths", "v1")
function("deep_finder", "v1")
function("deep_finder", "v2")
function("introducers_of", "v1")
function("near_members", "v1")
function("shallow_search", "v1")
function("recent_members", "v1")
function("chain_contacts", "v1")
function("path_contacts", "v1")
function("deep_search", "v1")
function("search", "v1")
function("deep_finder", "v3")
function("deep_finder", "alias_v3")
function("legacy_walk", "v1")
function("legacy_finder", "v1")
function("legacy_finder", "alias_v1")
function("path_document", "v1")
function("legacy_paths", "v1")
function("why_no_more", "v1")
function("find_paths", "v1")

function("refuse_transition", "v1")  # for triggers of the next migration

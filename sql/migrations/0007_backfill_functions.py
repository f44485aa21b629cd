"""What makes edges and keeps them: one contact, a whole run, what changed. In the order each needs the others."""

from orchestrator.install.steps import function

__depends__ = {"0006_backfill_tables"}

function("advisory_key", "v1")
function("lock_holders", "v1")
function("require_read_committed", "v1")
function("hidden_tables", "v1")
function("require_sources", "v1")
function("begin_recompute", "v1")
function("await_recomputes", "v1")

function("hold_starts", "v1")
function("backfill_contact", "v1")
function("backfill_contact", "v2")
function("backfill_contact", "alias_v2")
function("backfill_contacts", "v1")

function("rebuilt_edges", "v1")
function("insert_edges_of", "v1")
function("correct_edges_of", "v1")
function("register_worker", "v1")
function("claim_end", "v1")
function("require_rebuild", "v1")
function("split_batch", "v1")
function("claim_batch", "v1")
function("do_batch", "v1")
function("fail_batch", "v1")
function("require_batches_done", "v1")

function("note_other_kind", "v1")
function("missing_rebuild_indexes", "v1")
function("drop_rebuild", "v1")
function("copy_storage_parameters", "v1")
function("missing_contacts", "v1")
function("prepare_rebuild", "v1")
function("carry_edges", "v1")
function("swap_rebuild", "v1")

function("contact_loads", "v1")
function("predicted_edges", "v1")
function("create_run", "v1")
function("finish_run", "v1")
function("cancel_run", "v1")

function("wake_listener", "v1")
function("note_failure", "v1")
function("note_changed_experiences", "v1")
function("note_came_or_went", "v1")
function("note_replicated_row", "v1")
function("note_changes", "v1")
function("note_everybody", "v1")
function("capture_works", "v1")
function("recover_capture", "v1")
function("contacts_to_recompute", "v1")
function("forget_contacts", "v1")
function("sync_changes", "v1")

function("detach_source", "v1")
function("attach_source", "v1")

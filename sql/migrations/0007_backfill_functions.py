"""What makes edges and keeps them: one contact, a whole run, what changed. In the order each needs the others."""

from orchestrator.install.steps import function

__depends__ = {"0006_backfill_tables"}

function("advisory_key", "v1")
function("lock_holders", "v1")
function("require_read_committed", "v1")
function("hidden_tables", "v1")
function("require_sources", "v1")
function("begin_refresh", "v1")
function("await_refreshes", "v1")

function("schedule_refreshes", "v1")
function("write_edges", "v1")
function("backfill_contact", "v1")
function("contacts_to_refresh", "v1")
function("refresh_range", "v1")

function("rebuilt_edges", "v1")
function("rebuild_range", "v1")

function("register_worker", "v1")
function("claim_end", "v1")
function("require_rebuild", "v1")
function("split_batch", "v1")
function("claim_batch", "v1")
function("do_batch", "v1")
function("fail_batch", "v1")
function("require_batches_done", "v1")

function("record_other_kind", "v1")
function("missing_rebuild_indexes", "v1")
function("drop_rebuild", "v1")
function("copy_storage_parameters", "v1")
function("missing_contacts", "v1")
function("require_exchangeable", "v1")
function("prepare_rebuild", "v1")
function("copy_remaining_edges", "v1")
function("exchange_rebuild", "v1")

function("contact_loads", "v1")
function("predicted_edges", "v1")
function("create_run", "v1")
function("finish_run", "v1")
function("cancel_run", "v1")

function("wake_listener", "v1")
function("record_capture_failure", "v1")
function("queue_changed_experiences", "v1")
function("queue_added_or_removed", "v1")
function("queue_replicated_row", "v1")
function("queue_changes", "v1")
function("queue_everyone", "v1")
function("capture_works", "v1")
function("recover_capture", "v1")
function("queue_due_contacts", "v1")
function("take_changes", "v1")
function("queue_affected_contacts", "v1")
function("clean_do_not_ask", "v1")
function("refresh_one_by_one", "v1")
function("sync_changes", "v1")

function("detach_source", "v1")
function("attach_source", "v1")

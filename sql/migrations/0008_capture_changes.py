"""Triggers on the host's tables that note what changed; the last step, for they fire as soon as they are there."""

from orchestrator.install.steps import host_triggers

__depends__ = {"0007_backfill_functions"}
__transactional__ = False

host_triggers("contacts")
host_triggers("contact_work_experiences")
host_triggers("organizations")

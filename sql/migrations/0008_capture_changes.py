"""Triggers on the application's tables that queue changes. The last migration: they need all functions."""

from orchestrator.install.steps import host_triggers

__depends__ = {"0007_backfill_functions"}
__transactional__ = False

host_triggers("contacts")
host_triggers("contact_work_experiences")
host_triggers("organizations")

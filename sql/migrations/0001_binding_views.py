"""The views that bind the host's tables; see sql/views/README.md."""

from orchestrator.steps import view

view("work_experiences")
view("collection_members")
view("live_organizations")
view("live_contacts")

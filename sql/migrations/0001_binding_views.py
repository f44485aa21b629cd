"""The views that bind the host's tables; see sql/views/README.md."""

from orchestrator.install.steps import function, view

function("raise_detached", "v1")  # before the views, and so removed after them: a detached one reads from it
view("work_experiences")
view("collection_members")
view("live_organizations")
view("live_contacts")

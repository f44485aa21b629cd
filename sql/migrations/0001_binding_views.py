"""The views through which the package reads the application's tables; see sql/views/README.md."""

from orchestrator.install.steps import function, view

function("raise_detached", "v1")  # the view of a detached table calls it
view("work_experiences")
view("collection_members")
view("known_organizations")
view("live_contacts")

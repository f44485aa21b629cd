"""The views through which the package reads the application's tables; see sql/views/README.md."""

from orchestrator.install.steps import function, view

function("to_day", "v1")  # a mapping may use these four in views and indexes
function("first_day", "v1")
function("to_id", "v1")
function("uuid_key", "v1")
function("raise_detached", "v1")  # the view of a detached table calls it
view("work_experiences")
view("collection_members")
view("known_organizations")
view("live_contacts")
view("live_users")
view("live_collections")

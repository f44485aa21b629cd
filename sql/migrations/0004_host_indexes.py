"""Indexes of the application's tables. CREATE INDEX CONCURRENTLY must be outside a transaction, one index a step."""

from orchestrator.install.steps import host_index

__depends__ = {"0003_walk_indexes"}
__transactional__ = False

host_index("idx_members_by_collection")
host_index("idx_experiences_by_contact")
host_index("idx_experiences_by_organization")
host_index("idx_contacts_by_id")
host_index("idx_organizations_by_id")

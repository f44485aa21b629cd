"""A database with a rule of the application."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.core.database import Connection


@pytest.fixture
def ruled(db: Connection) -> Iterator[Connection]:
    """The database of this file, with the application's rule, which a test may replace."""
    yield db
    db.execute(
        "ALTER TABLE connection_paths.contact_connections DROP CONSTRAINT IF EXISTS app_rule;"
        "DROP FUNCTION IF EXISTS public.rule"
    )

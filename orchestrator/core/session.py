"""The connections of the package to a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus


class Session(psycopg.Connection[Any]):
    """A connection that a cancelled COMMIT leaves usable."""

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        """Run the block in a transaction, or in a savepoint of the one that is open.

        A COMMIT that is cancelled before it begins leaves a failed transaction open. psycopg does not end it, so this
        method does.
        """
        is_outer = self.info.transaction_status == TransactionStatus.IDLE
        try:
            with super().transaction(savepoint_name, force_rollback) as block:
                yield block
        finally:
            if is_outer and self.info.transaction_status == TransactionStatus.INERROR:
                self.rollback()

"""The subscriptions of logical replication that write to the application's tables: their state, lag and errors."""

from __future__ import annotations

from dataclasses import dataclass, field

from psycopg.rows import class_row

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.formats import counted, duration
from orchestrator.host.binding import Binding
from orchestrator.host.sources import asked

#: Seconds. A publisher without changes is heard twice a minute.
SILENT = 90.0


@dataclass(frozen=True)
class Subscription:
    """A subscription; see ``sql/queries/host/subscriptions.sql``."""

    name: str
    is_enabled: bool
    is_running: bool
    silent: float | None
    errors: int
    oid: int
    copying: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        """``disabled``, ``no worker``, ``copying``, ``silent`` or ``following``."""
        if not self.is_enabled:
            return "disabled"
        if not self.is_running:
            return "no worker"
        if self.copying:
            return "copying"
        return "silent" if self.silent is not None and self.silent > SILENT else "following"

    @property
    def line(self) -> str:
        """The state, the time since the publisher was heard, and the errors, as one line."""
        heard = "" if self.silent is None else f"; heard from the publisher {duration(self.silent)} ago"
        failed = f"; {counted(self.errors, 'error')}" if self.errors else ""
        copied = f" ({', '.join(self.copying)})" if self.state == "copying" else ""
        return f"subscription {self.name}: {self.state}{copied}{heard}{failed}"


def subscriptions(connection: Connection, bound: Binding) -> list[Subscription]:
    """Return the subscriptions that write to the tables of the sources, by name."""
    with connection.cursor(row_factory=class_row(Subscription)) as cursor:
        return cursor.execute(sqlfiles.query("host/subscriptions"), asked(bound)).fetchall()

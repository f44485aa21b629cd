"""The application's tables that the package reads: what is wrong with the way they are bound and captured.

``contacts``, ``organizations``, ``contact_work_experiences`` and ``user_contact_collections`` are the sources of all
edges and paths. Each is read through a binding view, and triggers on three of them note what changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestrator import sqlfiles
from orchestrator.database import Connection
from orchestrator.errors import OrchestratorError

Remedy = Literal["install", "attach", "replicated", "mend", "sync", "person"]

#: What to type for a remedy; the others ask for a person's judgement.
COMMANDS: dict[str, str] = {
    "install": "orchestrator install",
    "attach": "orchestrator attach",
    "replicated": "orchestrator install --replicated",
    "mend": "orchestrator sync",
    "sync": "orchestrator sync",
}
#: Kinds of problems with which the binding views cannot be read.
UNREADABLE = ("table", "view", "detached")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong; the kinds and the remedies are listed in ``sql/queries/binding_problems.sql``.

    ``mend``: mend what the problem names, then sync. ``sync``: the capture works again, and a sync catches up.
    """

    kind: str
    object: str
    problem: str
    remedy: Remedy

    @property
    def what(self) -> str:
        """What is wrong, and that a person must mend it before a command helps, where that is so."""
        return f"{self.problem}; mend that first" if self.remedy == "mend" else self.problem

    @property
    def sentence(self) -> str:
        """What is wrong and what to do, in one line."""
        command = COMMANDS.get(self.remedy)
        return self.what if command is None else f"{self.what}; run {command}"


def problems(connection: Connection, host_schema: str | None) -> list[Problem]:
    """Return what is wrong with the bindings, the capture and the surroundings of the application's tables.

    ``host_schema`` is the schema of those tables; None: ``public``. Works whatever part of the package is missing.
    """
    schema = host_schema or "public"
    rows = connection.execute(sqlfiles.query("binding_problems"), {"host_schema": schema}).fetchall()
    return [*(Problem(*row) for row in rows), *_capture_failures(connection)]


def detached_views(connection: Connection) -> set[str]:
    """Return the binding views of tables that are detached."""
    return {row[0] for row in connection.execute(sqlfiles.query("detached_views"))}


def citus_tables(connection: Connection, host_schema: str) -> list[tuple[str, str]]:
    """Return the tables that Citus manages, each with how: ``distributed``, ``reference`` or ``local``."""
    rows = connection.execute(sqlfiles.query("citus_tables"), {"host_schema": host_schema})
    return [(row[0], row[1]) for row in rows]


def _capture_failures(connection: Connection) -> list[Problem]:
    readable = connection.execute(sqlfiles.query("readable_tables"), {"names": ["capture_failures"]}).fetchall()
    if not readable:
        return []
    found = []
    for source, failed_at, error, works_again in connection.execute(sqlfiles.query("capture_failures")):
        since = f"{failed_at:%Y-%m-%d %H:%M:%S %Z}"
        if works_again:
            what = f"changes of {source} were not noted since {since}, and the triggers work again"
        else:
            what = f"changes of {source} are not noted since {since}: {error}"
        found.append(Problem("capture", source, what, "sync" if works_again else "mend"))
    return found


def refuse_citus(connection: Connection, host_schema: str = "") -> None:
    """Raise :class:`OrchestratorError` when Citus manages a table that the package reads or writes.

    Such a table is empty on the coordinator: finders would return nothing, and sync would delete correct edges.
    """
    for table, management in citus_tables(connection, host_schema):
        raise OrchestratorError(
            f"table {table} is a {management} table of Citus; connection_paths needs ordinary tables"
            f" (SELECT undistribute_table('{table}') makes one)"
        )

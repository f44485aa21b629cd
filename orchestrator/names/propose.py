"""``orchestrator resolve propose``: looks for the organizations that company names may mean, in batches that commit.

A process that dies loses one batch. The next call continues: names and organizations that have not changed cost little.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import one_line
from orchestrator.host.installed import require_installed
from orchestrator.install import company_names
from orchestrator.install.installation import install
from orchestrator.names import legal_forms

log = logging.getLogger(__name__)

#: The least similarity of the trigrams of a candidate.
MIN_SCORE = 0.5
# sync waits for the lock that a batch holds, so batches are small: one of 5,000 organizations took up to 2.1 s on a
# busy machine, one of 200 names 0.2 s.
_ROWS = 2_000  # organizations or names of a batch that writes plain forms
_NAMES = 200  # names of a batch that looks for candidates
_LOCK = "LOCK TABLE connection_paths.proposal_settings IN SHARE ROW EXCLUSIVE MODE"


@dataclass(frozen=True)
class Proposed:
    """What ``propose`` has done so far.

    ``organizations`` and ``names``: how many were read. ``changed``: organizations that are new, renamed or deleted.
    ``added``: new names. ``taken``: names for which candidates were looked for. ``proposed``: those of them that have
    candidates. ``accepted``: those that were accepted, in the batch ``batch_id``. ``is_similar``: whether organizations
    with similar names are candidates, too; that needs the extension pg_trgm.
    """

    organizations: int = 0
    changed: int = 0
    names: int = 0
    added: int = 0
    taken: int = 0
    proposed: int = 0
    accepted: int = 0
    batch_id: int | None = None
    is_similar: bool = False
    seconds: float = 0.0


def propose(
    dsn: str,
    *,
    accept_unique: bool = True,
    again: bool = False,
    min_score: float = MIN_SCORE,
    report: Callable[[Proposed], None] = lambda _: None,
    progress: Callable[[str], None] = log.info,
) -> Proposed:
    """Look for candidates for every company name that is new, or that a new or renamed organization has.

    ``accept_unique``: accept names that exactly one organization has. ``again``: look again for candidates of every
    name without a decision. ``min_score`` is the least similarity of a candidate, from 0 to 1. The first call installs
    the objects that resolving needs. From then on, ``sync`` does the same for new names, with the same options.
    """
    with connect(dsn) as connection:
        require_installed(connection)
        is_on = company_names.is_on(connection)
    if not is_on:
        install(dsn, names=True, progress=progress)
    with connect(dsn) as connection:
        legal_forms.fill(connection)
        work = _Work(connection, report, is_similar=_has_trigrams(connection, progress))
        is_first = connection.execute("SELECT FROM connection_paths.proposal_settings").fetchone() is None
        work.read_organizations()
        work.read_names()
        if again:
            work.mark_again()
        connection.execute("ANALYZE connection_paths.organization_names, connection_paths.company_names")
        (batch_id,) = connection.execute("SELECT nextval('connection_paths.name_batch_ids')").fetchall()[0]
        options: dict[str, Any] = {"min_score": min_score, "accept_unique": accept_unique}
        work.look_for_candidates(batch_id, **options)
        connection.execute(sqlfiles.query("names/remember_settings"), options)
        if is_first:
            # Until now, sync looked for no candidates, so nobody has read what came since the first names were read.
            work.read_organizations(is_again=True)
            work.read_names(is_again=True)
            work.look_for_candidates(batch_id, **options)
        connection.execute("ANALYZE connection_paths.name_decisions")
    return replace(work.done, batch_id=batch_id if work.done.accepted else None)


class _Work:
    """The batches of a call, and what they have done so far."""

    def __init__(self, connection: Connection, report: Callable[[Proposed], None], *, is_similar: bool) -> None:
        self.done = Proposed(is_similar=is_similar)
        self._connection = connection
        self._report = report
        self._started = time.monotonic()

    def read_organizations(self, *, is_again: bool = False) -> None:
        """Write the plain forms of the names of organizations; ``is_again``: count only those that have changed."""
        above: int | None = None
        while True:
            above, looked_at, changed = self._call("refresh_organization_names", above=above, at_most=_ROWS)
            self._count(organizations=0 if is_again else looked_at, changed=changed)
            if above is None:
                return

    def read_names(self, *, is_again: bool = False) -> None:
        """Write the plain forms of company names; ``is_again``: count only the names that are new."""
        above: str | None = None
        while True:
            above, looked_at, added = self._call("refresh_company_names", above=above, at_most=_ROWS)
            self._count(names=added if is_again else looked_at, added=added)
            if above is None:
                return

    def mark_again(self) -> None:
        """Mark every name without a decision, so that candidates are looked for again."""
        above: str | None = None
        while True:
            with self._connection.transaction():
                self._connection.execute(_LOCK)  # as refresh_organization_names does, which marks names, too
                (above,) = self._call("propose_again", above=above, at_most=_ROWS)
            if above is None:
                return

    def look_for_candidates(self, batch_id: int, *, min_score: float, accept_unique: bool) -> None:
        """Propose organizations for the names that need it."""
        asked = {"min_score": min_score, "accept_unique": accept_unique, "batch_id": batch_id}
        while True:
            taken, proposed, accepted = self._call("propose_names", at_most=_NAMES, **asked)
            self._count(taken=taken, proposed=proposed, accepted=accepted)
            if taken == 0:
                return

    def _count(self, **more: int) -> None:
        """Add to the counts, and report them."""
        counts: dict[str, Any] = {name: getattr(self.done, name) + number for name, number in more.items()}
        self.done = replace(self.done, **counts, seconds=time.monotonic() - self._started)
        self._report(self.done)

    def _call(self, query: str, **parameters: object) -> tuple[Any, ...]:
        row = self._connection.execute(sqlfiles.query(f"names/{query}"), parameters).fetchone()
        assert row is not None
        return row


def _has_trigrams(connection: Connection, progress: Callable[[str], None]) -> bool:
    """Whether the extension pg_trgm is in the database; create it if this role may."""
    if connection.execute(sqlfiles.query("names/trigram_schema")).fetchone() is not None:
        return True
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public")
    except psycopg.Error as error:
        progress(
            "only the same name in another spelling is found, and no similar name, because the extension pg_trgm is"
            f" missing: {one_line(error)}"
        )
        return False
    return True

"""A world of many copies of one synthetic world, on a server that is stopped and started between measurements.

The copies share nothing: all ids of a copy are those of the first one plus a constant. So the answer to a question
about one copy does not depend on how many there are, and what grows with the number of copies grows with the size of
the database alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.world import one
from orchestrator.core import embedded
from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError
from orchestrator.install.installation import install
from orchestrator.seed import loading
from orchestrator.seed import synthetic as seed_synthetic

#: One cache for all worlds, so that only the data grows.
SETTINGS = {
    **embedded.SETTINGS,
    "shared_buffers": "3GB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "6GB",
    "min_wal_size": "2GB",
    "wal_buffers": "128MB",
    "effective_cache_size": "8GB",
}
#: The ids of two copies differ by multiples of this number, for contacts, organizations, collections and users.
STEP = 10_000_000
_EXPERIENCE_STEP = 100_000_000
_BYTES_PER_CONTACT = 3_500  # of the sources and their indexes
_LEFT_FREE = 8 * 1024**3  # bytes of the disk
_COPY = (
    "INSERT INTO public.contacts SELECT c.id + %(by)s, c.name FROM public.contacts AS c WHERE c.id < %(step)s",
    """INSERT INTO public.organizations
       SELECT o.id + %(by)s, o.name FROM public.organizations AS o WHERE o.id < %(step)s""",
    """INSERT INTO public.contact_work_experiences
           (id, contact_id, organization_id, company_name, date_from, date_to)
       SELECT w.id + %(experiences)s, w.contact_id + %(by)s, w.organization_id + %(by)s, w.company_name,
           w.date_from, w.date_to
       FROM public.contact_work_experiences AS w WHERE w.contact_id < %(step)s""",
    """INSERT INTO public.user_contact_collections (user_id, contact_id, collection_id, source)
       SELECT m.user_id + %(by)s, m.contact_id + %(by)s, m.collection_id + %(by)s, m.source
       FROM public.user_contact_collections AS m WHERE m.contact_id < %(step)s""",
)


@dataclass(frozen=True)
class Place:
    """The directory of a server with *copies* of a world of *contacts*."""

    directory: Path
    contacts: int
    copies: int
    seed: int

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Start the server, or use the running one; it stops at the end."""
        with embedded.serve(self.directory, settings=SETTINGS) as dsn:
            yield dsn
        embedded.stop(self.directory)

    def fill(self) -> None:
        """Load the world and its copies, and install the package."""
        require_room(self.directory.parent, self.contacts * self.copies * _BYTES_PER_CONTACT)
        self.remove()
        with self.serve() as dsn:
            with connect(dsn, settings={"synchronous_commit": "off"}) as connection:
                fill(connection, self.contacts, self.copies, self.seed)
                connection.execute("CHECKPOINT")
            install(dsn)

    def remove(self) -> None:
        """Remove the directory, after the server has stopped."""
        if self.directory.exists():
            embedded.stop(self.directory)
            shutil.rmtree(self.directory)

    def chill(self) -> int:
        """Take the files of the stopped server out of the cache of the operating system; returns the bytes left there.

        The files of other programs stay in the cache.
        """
        files = [path for path in (self.directory / "data").rglob("*") if path.is_file() and not path.is_symlink()]
        for path in files:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # only pages that are on the disk can be dropped
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
        large = [str(path) for path in files if path.stat().st_size > 8192]
        left = 0
        for first in range(0, len(large), 500):
            command = ["fincore", "--bytes", "--noheadings", "--output", "RES", *large[first : first + 500]]
            left += sum(map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()))
        return left


def fill(connection: Connection, contacts: int, copies: int, seed: int) -> None:
    """Load a world of *contacts* into the empty database, and copy it until there are *copies*."""
    loading.load(connection, "public", seed_synthetic.tables(contacts, seed), replace=False)
    for number in range(1, copies):
        offsets = {"by": number * STEP, "step": STEP, "experiences": number * _EXPERIENCE_STEP}
        for statement in _COPY:
            connection.execute(statement.encode(), offsets)
    connection.execute("VACUUM (ANALYZE)")


def require_room(directory: Path, needed: int) -> None:
    """Raise :class:`OrchestratorError` unless the disk has room for *needed* bytes, and some gigabytes more."""
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free < needed + _LEFT_FREE:
        raise OrchestratorError(
            f"{directory} has {free / 1e9:.0f} GB free, and this needs {needed / 1e9:.0f} GB and"
            f" {_LEFT_FREE / 1e9:.0f} GB to leave free"
        )


class ServerTime:
    """Processor seconds of a server: of the processes that run, and of those that have ended."""

    def __init__(self, connection: Connection) -> None:
        self._server = int(str(one(connection, "SELECT pg_read_file('postmaster.pid')")).split()[0])

    def seconds(self) -> float:
        """Return the processor seconds since the server started."""
        ticks = 0
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if entry.name == str(self._server):
                ticks += sum(map(int, fields[11:15]))  # its own, and those of its children that have ended
            elif fields[1] == str(self._server):
                ticks += sum(map(int, fields[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def disk_watched(directory: Path) -> Iterator[list[int]]:
    """Watch how many bytes the directory has; the list that is yielded has the most of them at the end."""
    most = [0]
    ended = threading.Event()

    def watch() -> None:
        while True:
            most[0] = max(most[0], _bytes(directory))
            if ended.wait(2.0):
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


def _bytes(directory: Path) -> int:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += Path(folder, name).stat().st_blocks * 512
            except OSError:
                continue
    return total

"""How much slower the triggers make an application's writes.

``python -m bench.triggers`` writes ``bench/results/triggers.md``. The same statements, each a transaction of its own,
run with the triggers and without them (``session_replication_role``), in turns on one connection. After that, several
connections insert single rows at once.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from bench.world import environment, one, world
from orchestrator.core.database import Connection, connect

RESULTS = Path(__file__).parent / "results" / "triggers.md"
_JOBS = "public.contact_work_experiences"
_FROM = 10_000_000  # the first id of the rows that this program writes
_MODES = ("replica", "origin")  # in the first mode triggers do not fire


class Writer:
    """Statements of an application, on one connection."""

    def __init__(self, connection: Connection, contacts: int, first: int = _FROM) -> None:
        self._connection = connection
        self._contacts = contacts
        self._ids = count(first)

    def insert(self, rows: int) -> None:
        """One INSERT of *rows* rows."""
        first = next(self._ids)
        for _ in range(rows - 1):
            next(self._ids)
        self._connection.execute(
            f"INSERT INTO {_JOBS} (id, contact_id, organization_id, date_from)"
            " SELECT i, 1 + i %% %s, 1 + i %% 50, '2020-01-01' FROM generate_series(%s, %s) AS i".encode(),
            (self._contacts, first, first + rows - 1),
        )

    def copy(self, rows: int) -> None:
        """One COPY of *rows* rows."""
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {_JOBS} (id, contact_id, organization_id, date_from) FROM STDIN".encode()) as copy,
        ):
            copy.write("".join(f"{i}\t{1 + i % self._contacts}\t{1 + i % 50}\t2020-01-01\n" for i in self._take(rows)))

    def move(self, rows: int) -> None:
        """One UPDATE of dates."""
        self._update("date_to = COALESCE(date_to, '2024-01-01') + 1", rows)

    def rename(self, rows: int) -> None:
        """One UPDATE of a column that makes no edge."""
        self._update("company_name = company_name || ''", rows)

    def delete(self, rows: int) -> None:
        """One DELETE."""
        low = one(self._connection, f"SELECT min(id) FROM {_JOBS} WHERE id >= {_FROM}")
        self._connection.execute(f"DELETE FROM {_JOBS} WHERE id >= %s AND id < %s".encode(), (low, low + rows))

    def _update(self, what: str, rows: int) -> None:
        self._connection.execute(f"UPDATE {_JOBS} SET {what} WHERE id > 0 AND id <= %s".encode(), (rows,))

    def _take(self, rows: int) -> Iterator[int]:
        return (next(self._ids) for _ in range(rows))


#: The kind of statement, its rows, and how often it runs in each mode.
CASES: tuple[tuple[str, int, int], ...] = (
    ("insert", 1, 400), ("insert", 100, 100), ("insert", 10_000, 10), ("copy", 100_000, 3),
    ("move", 1, 400), ("move", 1000, 20), ("rename", 1, 400), ("rename", 1000, 20), ("delete", 1, 200),
)  # fmt: skip


def compare(connection: Connection, contacts: int, progress: Callable[[str], None] = print) -> list[list[str]]:
    """Time each case in both modes, in turns. Each case gives a row of the table."""
    writer = Writer(connection, contacts)
    rows = []
    for name, size, repeats in CASES:
        taken: dict[str, list[float]] = {mode: [] for mode in _MODES}
        for turn in range(repeats + 1):  # the first turn only warms up
            for mode in _MODES:
                connection.execute("SELECT set_config('session_replication_role', %s, false)", (mode,))
                started = time.perf_counter()
                getattr(writer, name)(size)
                if turn:
                    taken[mode].append((time.perf_counter() - started) * 1000)
        without, with_triggers = (statistics.median(taken[mode]) for mode in _MODES)
        each = (with_triggers - without) / size * 1000
        rows.append(
            [
                f"{name} {size:,}",
                f"{without:.3f}",
                f"{with_triggers:.3f}",
                f"{with_triggers / without:.2f}",
                f"{each:.1f}",
            ]
        )
        progress(" | ".join(rows[-1]))
    return rows


def at_once(dsn: str, contacts: int, clients: int, seconds: float) -> dict[str, float]:
    """Return transactions a second of inserts of one row by several connections, in each mode, blocks taking turns."""
    done: dict[str, list[int]] = {mode: [] for mode in _MODES}
    for block in range(4):
        for mode in _MODES:
            total = [0] * clients
            ended = threading.Event()

            def write(number: int, mode: str = mode, block: int = block, total: list[int] = total) -> None:
                settings = {"session_replication_role": mode, "synchronous_commit": "off"}
                with connect(dsn, settings=settings) as connection:
                    first = _FROM * (2 + number + 100 * (1 + block) + 10_000 * _MODES.index(mode))
                    writer = Writer(connection, contacts, first)
                    while not ended.is_set():  # noqa: B023
                        writer.insert(1)
                        total[number] += 1

            threads = [threading.Thread(target=write, args=(number,)) for number in range(clients)]
            for thread in threads:
                thread.start()
            time.sleep(seconds)
            ended.set()
            for thread in threads:
                thread.join()
            done[mode].append(sum(total))
    return {mode: statistics.median(blocks) / seconds for mode, blocks in done.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.triggers", description=__doc__)
    parser.add_argument("--contacts", type=int, default=20_000, help="size of the world (%(default)s)")
    parser.add_argument("--clients", type=int, default=4, help="connections that write at once (%(default)s)")
    parser.add_argument("--seconds", type=float, default=4, help="a block of those (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table goes")
    given = parser.parse_args()
    with world(given.contacts, 1) as dsn, connect(dsn) as connection:
        rows = compare(connection, given.contacts)
        together = at_once(dsn, given.contacts, given.clients, given.seconds)
        settings = environment(connection)
    table = "\n".join(
        [
            "| statement, rows | without, ms | with, ms | ratio | µs a row |",
            "|---|---:|---:|---:|---:|",
            *(f"| {' | '.join(row)} |" for row in rows),
        ]
    )
    ratio = together["origin"] / together["replica"]
    text = "\n\n".join(
        [
            "# How much slower the triggers make writes",
            f"`python -m bench.triggers --contacts {given.contacts} --clients {given.clients}"
            f" --seconds {given.seconds:g}`",
            "Statements on work experiences, each in its own transaction. Times are medians; blocks with and without"
            " the triggers take turns.",
            table,
            f"{given.clients} connections inserting one row each at a time: {together['replica']:,.0f} transactions/s"
            f" without, {together['origin']:,.0f} with: {ratio:.2f}. No follower slept, so no writer notified one.",
            "## Environment",
            "\n".join(f"- {name}: {value}" for name, value in settings.items()),
        ]
    )
    given.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

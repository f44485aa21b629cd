"""Helpers for tests of the playground: a small team, its pages, and the server."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from orchestrator.playground import server
from tests.support.sessions import connect
from tests.support.waiting import eventually

SCRIPT, IMAGE = "<script>alert(1)</script>", "<img src=x onerror=alert(1)>"
TARGET, ALONE, BESIDE = 4, 5, 7
COLLECTION, VIEWER = 9, 7
ASK = f"/?target={TARGET}&collection={COLLECTION}&viewer={VIEWER}"
NOBODY = ASK.replace(f"target={TARGET}", f"target={ALONE}")
PAGES = {
    "welcome": "/",
    "answer": ASK,
    "which one": ASK.replace(f"target={TARGET}", "target=a"),
    "nobody by that name": ASK.replace(f"target={TARGET}", "target=zzz"),
    "nothing found": NOBODY,
    "refused": "/?target=&collection=x&viewer=&depth=9&budget=0",
    "plan": f"/plan{ASK[1:]}",
    "no such page": "/nowhere",
}
WORLD = f"""
INSERT INTO contacts VALUES (1, 'Ana Silva'), (2, 'Ben Ode'), (3, '{SCRIPT}'), (4, 'Cleo Target'), (5, 'Dot Alone'),
    (6, 'Ed 100% _ \\ O''Neil'), (7, 'Eve 1000');
INSERT INTO organizations VALUES (1, 'Acme'), (2, '{IMAGE}');
INSERT INTO contact_work_experiences VALUES (1, 1, 1, '', '2019-03-01', '2022-05-31'),
    (2, 2, 1, '', '2019-01-01', '2023-01-01'), (3, 2, 2, '', '2010-01-01', '2010-12-31'),
    (4, 3, 2, '', '2015-01-01', NULL), (5, 4, 2, '', '2010-06-01', NULL), (6, 7, 1, '', '1999-01-01', '1999-02-01');
INSERT INTO user_contact_collections VALUES (7, 1, 9, 1), (8, 1, 9, 1), (8, 2, 9, 1), (8, 3, 9, 1), (7, 7, 10, 1);
"""


class Page(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def words(self) -> str:
        """What is read: without tags."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


def get(url: str, path: str, **headers: str) -> Page:
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=20)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Page(answer.status, names, answer.read().decode())
    finally:
        connection.close()


@contextmanager
def playground(dsn: str) -> Iterator[str]:
    """Serve a database's playground; yields its address without the slash at the end."""
    with server.listen("127.0.0.1", 0) as listening:
        running = server.prepare(dsn, listening)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening.socket]})
        thread.start()
        try:
            yield listening.url.rstrip("/")
        finally:
            running.should_exit = True
            thread.join(30)
            assert not thread.is_alive(), "the playground did not end"


def fill(dsn: str) -> None:
    with connect(dsn) as connection:
        connection.execute(WORLD)
        connection.execute("SELECT connection_paths.backfill_contact(c.id) FROM contacts AS c")


@contextmanager
def locked(dsn: str, table: str) -> Iterator[None]:
    """Keep everybody from reading a table."""
    with connect(dsn) as connection, connection.transaction():
        connection.execute(sql.SQL("LOCK TABLE {}").format(sql.SQL(table)))
        yield


def until_waiting(connection: psycopg.Connection[Any], number: int) -> None:
    """Wait until so many sessions wait for a lock."""
    eventually(
        connection,
        "SELECT count(*) = %s FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        number,
    )

"""Copies of databases: quicker than another installation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.sessions import connect

_NUMBERS = count(1)


@contextmanager
def copied(server: str, dsn: str) -> Iterator[str]:
    """Copy the database of *dsn*, to which nobody is connected; the copy is made over a connection to ``server``."""
    original = str(conninfo_to_dict(dsn)["dbname"])
    name = f"{original}_{next(_NUMBERS)}"
    with connect(server) as connection:
        template, copy = sql.Identifier(original), sql.Identifier(name)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(copy, template))
        try:
            yield make_conninfo(dsn, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(copy))

"""Opens connections to a database. A message about a failure contains no password.

There are two kinds of connections.

* A **session** (:func:`connect`) belongs to one process and keeps settings, locks and prepared statements. It needs a
  direct connection, so a pooler that shares sessions between clients is refused before anything is set.
* A **stateless** connection (:func:`reading`, :func:`stateless`) leaves nothing behind: every setting is made for one
  transaction. It works through any pooler.

Both set ``search_path = pg_catalog, pg_temp``, so that our statements never use a function or an operator that another
role has created in ``public``.

A connection string may name several hosts: a primary and its standbys. A connection that writes leads to the primary,
whatever ``target_session_attrs`` says, so that one string serves all commands. A connection that only reads leads where
libpq's rules say: to the first host that answers, unless ``target_session_attrs`` or ``load_balance_hosts`` says more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.schema import DEFAULT, SchemaConnection, SchemaCursor, schema_of, with_schema
from orchestrator.core.session import Session

Connection = psycopg.Connection[tuple[Any, ...]]

#: Errors that may not occur again when the same statement is tried again.
TRANSIENT_ERRORS = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)

#: Names are looked up in the catalog of the server only; temporary ones come last.
SEARCH_PATH = "pg_catalog, pg_temp"

#: Settings of every connection. A role, a database or a connection string may have other settings, for the application.
#: Here they could change the meaning of a statement or the format of a value, or end a command too early. With jit,
#: PostgreSQL could compile for seconds a statement that takes milliseconds.
NEUTRAL: Mapping[str, str] = {
    "search_path": SEARCH_PATH,
    # Set here and not when connecting: pgbouncer would keep an option of the connection for its next client.
    "application_name": "orchestrator",
    "client_min_messages": "notice",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "row_security": "on",
    "jit": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",  # PostgreSQL 17 and later
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
}
_SINCE = {"transaction_timeout": 170_000}

#: Settings of a session that computes edges.
COMPUTING = {
    # A crash may lose the latest commits. That work is then done again: edges and the record of them are lost together.
    "synchronous_commit": "off",
    # The server notices within a second that this process has ended, and releases its locks.
    "client_connection_check_interval": "1s",
    "lock_timeout": "30s",
    # The server releases the locks of a machine without power or network within a minute.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60s",
}

#: Both sides notice a broken network within a minute. The packets also keep firewalls from dropping idle connections.
KEEPALIVES = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds; keepalives are not sent while data waits to be acknowledged
}

#: Seconds to wait for one of several hosts. A machine without power does not refuse a connection; it never answers.
HOST_TIMEOUT = 10

_SHORTEST_SECRET = 5  # letters; without shorter words a message would be unreadable

#: The values of a connection string that choose the server, with the variables of the environment that replace them.
_ADDRESS = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
}
_addresses: WeakKeyDictionary[Connection, dict[str, str]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Place:
    """A database: the identifier of its cluster (None if the role may not read it), its oid and its name."""

    cluster: str | None
    oid: int
    name: str


def connect(
    dsn: str,
    *,
    autocommit: bool = True,
    settings: Mapping[str, str] | None = None,
    reads_only: bool = False,
    at: Place | None = None,
) -> Connection:
    """Open a session on *dsn* (a libpq string or URI; empty means libpq's own environment).

    *dsn* may carry the schema of the installation; see :mod:`orchestrator.core.schema`.

    ``settings`` are set after :data:`NEUTRAL`; :data:`KEEPALIVES` hold unless *dsn* has its own. With ``reads_only``,
    the server may be a standby; otherwise, of several hosts the primary is used. ``at`` is the database that the
    connection must lead to.

    Raises :class:`OrchestratorError` when the server cannot be reached or refuses, when a pooler stands in between,
    when the server is a standby, or when the connection leads to another database than *at*.
    """
    connection = _open(dsn, writes=not reads_only)
    try:
        _check_session(connection, reads_only=reads_only)
        _apply(connection, {**NEUTRAL, **(settings or {})}, local=False)
        if at is not None:
            _check_place(connection, at)
    except psycopg.OperationalError as error:  # the connection is lost
        connection.close()
        raise OrchestratorError(f"cannot connect: {one_line(error)}") from error
    except BaseException:
        connection.close()
        raise
    connection.autocommit = autocommit
    return connection


def stateless(dsn: str, *, of_primary: bool = False) -> Connection:
    """Open a connection on which nothing is set: for :func:`transaction`, and for use through a pooler.

    With ``of_primary``, of several hosts the primary is used. Raises :class:`OrchestratorError` when the server cannot
    be reached or refuses.
    """
    connection = _open(dsn, writes=of_primary)
    connection.prepare_threshold = None  # a prepared statement would stay in a pooler's session
    return connection


@contextmanager
def transaction(
    connection: Connection,
    settings: Mapping[str, str] | None = None,
    *,
    isolation: psycopg.IsolationLevel = psycopg.IsolationLevel.READ_COMMITTED,
    may_write: bool = False,
    undo: bool = False,
) -> Iterator[None]:
    """Run the block in one READ ONLY transaction, in which *settings* and :data:`NEUTRAL` hold.

    With ``may_write`` it is not READ ONLY. ``undo`` rolls it back at the end, so that a setting made inside the block
    does not last.
    """
    connection.read_only = not may_write
    connection.isolation_level = isolation
    connection.deferrable = False
    with connection.transaction(force_rollback=undo):
        _apply(connection, {**NEUTRAL, **(settings or {})}, local=True)
        yield


@contextmanager
def reading(
    dsn: str,
    settings: Mapping[str, str] | None = None,
    *,
    isolation: psycopg.IsolationLevel = psycopg.IsolationLevel.READ_COMMITTED,
    may_write: bool = False,
    undo: bool = False,
    of_primary: bool = False,
) -> Iterator[Connection]:
    """Open a stateless connection and run the block in one :func:`transaction` of it.

    With ``may_write`` or ``of_primary``, of several hosts the primary is used. A command that writes also reads there:
    a standby may be behind.
    """
    with (
        stateless(dsn, of_primary=of_primary or may_write) as connection,
        transaction(connection, settings, isolation=isolation, may_write=may_write, undo=undo),
    ):
        yield connection


def resolved(connection: Connection, *, same_server: bool = False) -> str:
    """Return a connection string that leads where *connection* does, whatever the environment is later.

    It contains the values of a service file and of ``PG…`` variables, so it may contain a password: never print it. It
    keeps the schema of the installation. It keeps all hosts, so that a later connection finds the server that has
    become the primary; with ``same_server`` it has only the host of *connection*.
    """
    found = _values(connection.pgconn)
    for name in ("service", "servicefile", "application_name", "client_encoding"):
        found.pop(name, None)
    if same_server:
        found.pop("target_session_attrs", None)  # the server may change its role
    else:
        # psycopg tries one host after another, so the values of the connection have only the host that answered. It
        # also looks up the address of a name. That address is not kept: the name may later mean another server.
        given = _addresses.get(connection) or {}
        if given.get("host"):
            found.pop("hostaddr", None)
        found.pop("target_session_attrs", None)
        found.update(given)
    return with_schema(make_conninfo(**found), schema_of(connection))


def hosts(dsn: str) -> list[str]:
    """Return one connection string for each host of *dsn*, a resolved one, without ``target_session_attrs``."""
    given = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    for name in ("target_session_attrs", "load_balance_hosts"):
        given.pop(name, None)
    addresses = {name: given.pop(name).split(",") for name in ("host", "hostaddr", "port") if name in given}
    found = []
    for number in range(max((len(each) for each in addresses.values()), default=1)):
        address = {name: each[number % len(each)] for name, each in addresses.items()}  # one port may serve all hosts
        found.append(with_schema(make_conninfo(**given, **address), schema_of(dsn)))
    return found


def place(connection: Connection) -> Place:
    """Return the database that *connection* leads to."""
    row = connection.execute(sqlfiles.query("core/place")).fetchone()
    assert row is not None  # the database of the connection exists
    return Place(*row)


def known(settings: Mapping[str, str], version: int) -> dict[str, str]:
    """Return those of *settings* that exist in *version* of the server (180001 is 18.1)."""
    return {name: value for name, value in settings.items() if version >= _SINCE.get(name, 0)}


def hide_secrets(message: str, given: Mapping[str, Any]) -> str:
    """Return *message* without the secrets in *given*, the values of a connection string by their names.

    The server repeats a value of ``options`` that it refuses. So these values are hidden, too, unless they are short.
    """
    options = f"{given.get('options') or ''} {os.environ.get('PGOPTIONS', '')}"
    words = [word.rpartition("=")[2] for word in options.split()]
    secrets = [given.get("password"), os.environ.get("PGPASSWORD"), given.get("sslpassword")]
    secrets += [word for word in words if len(word) >= _SHORTEST_SECRET]
    for secret in secrets:
        if secret:
            message = message.replace(str(secret), "***")
    return message


def is_pooled(connection: Connection) -> bool:
    """Whether the connection goes through a pooler: the process id that its client has is not that of the server."""
    row = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    return row != (connection.info.backend_pid,)


def lost(connection: Connection, error: psycopg.Error) -> bool:
    """Whether *error* means that the session has ended, and that the server has released its locks."""
    ended = (
        psycopg.errors.AdminShutdown,
        psycopg.errors.CrashShutdown,
        psycopg.errors.IdleSessionTimeout,
        psycopg.errors.TransactionTimeout,
    )
    return connection.broken or connection.closed or isinstance(error, ended)


# How a connection is opened. A message of libpq may repeat a part of a password.


def _open(dsn: str, *, writes: bool) -> Connection:
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        raise OrchestratorError(f"not a connection string: {_unquoted(error)}") from None
    _check_address(dsn, given)
    address = _address(given)
    named = address.get("host", "") + address.get("hostaddr", "")
    several = "," in named
    options: dict[str, Any] = {name: value for name, value in KEEPALIVES.items() if name not in given}
    if several and "connect_timeout" not in given and "PGCONNECT_TIMEOUT" not in os.environ:
        options["connect_timeout"] = HOST_TIMEOUT
    has_service = bool(given.get("service") or os.environ.get("PGSERVICE"))
    finds_primary = writes and (several or (has_service and not named))  # a service may have several hosts
    if finds_primary:
        options["target_session_attrs"] = _PRIMARY
    try:
        connection = _connected(dsn, autocommit=True, client_encoding="UTF8", **options)
    except psycopg.OperationalError as error:
        where = "to a primary, and this command writes" if finds_primary else ""
        raise OrchestratorError(f"cannot connect{where and f' {where}'}: {_refusal(error, given)}") from None
    except (psycopg.Error, UnicodeError, ValueError) as error:
        raise OrchestratorError(f"cannot connect: {type(error).__name__}") from None
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    _addresses[connection] = address
    return connection


#: libpq before 14 does not know this word. ``read-write`` also refuses a primary that is read-only by default.
_PRIMARY = "primary" if psycopg.pq.version() >= 140_000 else "read-write"


def _address(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the values that choose the server, from a connection string and the environment."""
    found = {name: str(given.get(name) or os.environ.get(variable) or "") for name, variable in _ADDRESS.items()}
    return {name: value for name, value in found.items() if value}


def _connected(dsn: str, **options: Any) -> Connection:
    """Connect; the connection has the schema of *dsn*."""
    schema = schema_of(dsn)
    if schema == DEFAULT:
        return Session.connect(dsn, **options)
    connection = SchemaConnection.connect(dsn, cursor_factory=SchemaCursor, **options)
    connection.schema = schema
    return connection


def _check_session(connection: Connection, *, reads_only: bool) -> None:
    """Raise an error for a pooler, and for a standby unless *reads_only*.

    The query runs in a READ ONLY transaction, so that the default isolation level of a role cannot make it fail.
    """
    connection.read_only = True
    with connection.transaction():
        row = connection.execute("SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery()").fetchone()
    connection.read_only = None
    assert row is not None
    pid, is_standby = row
    if pid != connection.info.backend_pid:
        raise OrchestratorError(
            "this connection goes through a pooler, and this command needs a session of its own;"
            " connect to the server directly"
        )
    if is_standby and not reads_only:
        raise OrchestratorError(
            "this is a standby, and this command writes; connect to its primary, or give the hosts of both in the"
            " connection string (host=A,B): a command that writes then finds the primary"
        )


def _check_place(connection: Connection, at: Place) -> None:
    found = place(connection)
    if found != at:
        raise OrchestratorError(
            f"a second connection leads to database {found.name!r} and not to {at.name!r} of the same server, where the"
            " first one leads; nothing was done"
        )


def _apply(connection: Connection, settings: Mapping[str, str], *, local: bool) -> None:
    chosen = known(settings, connection.info.server_version)
    calls = ", ".join([f"pg_catalog.set_config(%s, %s, {'true' if local else 'false'})"] * len(chosen))
    words = [word for setting in chosen.items() for word in setting]
    connection.execute(f"SELECT {calls}".encode(), words)


def _check_address(dsn: str, given: Mapping[str, Any]) -> None:
    """Raise an error for an address that must be part of a password whose special characters were not percent-encoded.

    libpq would look for a host, a port or a database with that name, and its message would show a part of the password.
    """
    parts = [str(given.get(name) or "") for name in ("host", "port", "dbname", "user")]
    is_uri = dsn.lstrip().startswith(("postgres://", "postgresql://"))
    is_port = re.fullmatch(r"[0-9, ]*", parts[1])
    if not is_port or "@" in parts[0].rsplit("/", 1)[-1].lstrip("@") or (is_uri and "@" in "".join(parts[2:3])):
        raise OrchestratorError(
            "not a connection string: host, port and database cannot be told apart;"
            " percent-encode special characters of the password (@ is %40, / is %2F, : is %3A)"
        )


def _unquoted(error: psycopg.Error) -> str:
    """Return the message of libpq about a connection string that does not parse, without the words that it quotes."""
    message = one_line(error)
    for phrase in (
        'missing "="',
        "invalid percent-encoded token",
        "forbidden value %00",
        "unterminated quoted string",
        "invalid connection option",
        "invalid URI query parameter",
        "missing key/value separator",
        "extra key/value separator",
    ):
        if phrase in message:
            return f"{phrase} (quote values that contain spaces; percent-encode special characters in a URI)"
    return "it does not parse (quote values that contain spaces; percent-encode special characters in a URI)"


def _refusal(error: psycopg.Error, given: Mapping[str, Any]) -> str:
    message = _each_host(error)
    if "no password supplied" in message:
        return (
            "the server wants a password; put it into ~/.pgpass (host:port:database:user:password, mode 0600)"
            " or into PGPASSWORD"
        )
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        message = "the server did not answer in time"
    if not any(given.get(name) for name in ("host", "hostaddr", "service")) and not _named_by_environment():
        message += " No server was named: give --dsn, set ORCHESTRATOR_DSN, or try --embedded=DIR."
    return hide_secrets(message, {**given, **(_values(error.pgconn) if error.pgconn is not None else {})})


def _each_host(error: psycopg.Error) -> str:
    """Return the message of an error; of several hosts, the reason of each once."""
    _, several, listed = str(error).partition(_SEVERAL)
    if not several:
        return one_line(error)
    reasons = [" ".join(each.split()).removeprefix("connection failed: ") for each in _OF_HOST.split(listed)]
    return one_line(OrchestratorError("; ".join(dict.fromkeys(each for each in reasons if each))))


_SEVERAL = "All failures were:"  # psycopg's words before the list of what went wrong with each host
_OF_HOST = re.compile(r"^- host: .*?, port: .*?, hostaddr: (?:None|'[^']*'): ", re.MULTILINE)


def _named_by_environment() -> bool:
    return any(os.environ.get(name) for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE"))


def _values(pgconn: psycopg.pq.abc.PGconn) -> dict[str, str]:
    """Return the values with which a connection was opened, by their names; also those of the environment."""
    return {option.keyword.decode(): option.val.decode() for option in pgconn.info if option.val}

"""The web server of the playground: reachable from this machine only, unless ``--allow-remote`` is given."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.core.errors import OrchestratorError
from orchestrator.playground import app

_MOST_CONNECTIONS = 64  # of browsers; questions to the database have a lower limit of their own
_SHUTDOWN_SECONDS = 6  # more than a question may take
_REQUEST_SECONDS = 5.0  # from connecting, or from the last answer, until a request has arrived completely
_ANSWER_SECONDS = 15.0  # then until the answer was received; longer than it takes to make


@dataclass(frozen=True)
class Listening:
    """A listening socket, the address of the playground, and the host names under which it answers."""

    socket: socket.socket
    url: str
    names: tuple[str, ...]


@contextmanager
def listen(host: str, port: int, *, allow_remote: bool = False) -> Iterator[Listening]:
    """Listen on *host* and *port* (0: any free one) for the length of the block.

    Raises :class:`OrchestratorError` when that fails, or when other machines could reach it without *allow_remote*.
    """
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OrchestratorError(f"cannot listen on {host}: {error}") from error
    bound = ipaddress.ip_address(str(address[0]).partition("%")[0])
    if not bound.is_loopback and not allow_remote:
        raise OrchestratorError(
            f"{host} can be reached by others, and the playground has no login: everybody who reaches it can read the"
            " names of all contacts. Give --allow-remote to permit that."
        )
    try:
        listening = socket.create_server((str(address[0]), port), family=family)
    except OSError as error:
        raise OrchestratorError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    with listening:
        names = app.LOCAL_NAMES if bound.is_loopback else (*app.LOCAL_NAMES, *_names(host))
        shown = f"[{bound}]" if bound.version == 6 else str(bound)
        yield Listening(listening, f"http://{shown}:{listening.getsockname()[1]}/", (*names, shown))


def prepare(dsn: str, listening: Listening) -> uvicorn.Server:
    """Return the server; its ``run`` method answers requests."""
    config = uvicorn.Config(
        app.create(dsn, listening.names),
        access_log=False,
        http=_LimitedConnection,
        lifespan="on",
        limit_concurrency=_MOST_CONNECTIONS,
        log_level="warning",
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        ws="none",
    )
    return uvicorn.Server(config)


class _LimitedConnection(H11Protocol):
    """A connection that is closed when its request, or the receiving of its answer, takes too long.

    Otherwise a client that sends half a request could keep one of the few connections for ever. When all connections
    are taken, a new one replaces the one that has waited for its request for the longest time.
    """

    _timer: asyncio.TimerHandle | None = None
    waiting_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request."""
        super().connection_made(transport)
        self._wait()
        present = [
            each
            for each in self.connections
            if isinstance(each, _LimitedConnection) and not each.transport.is_closing()
        ]
        silent = [each for each in present if each is not self and not each.is_answering]
        if silent and len(present) >= _MOST_CONNECTIONS:
            min(silent, key=lambda each: each.waiting_since).transport.abort()

    def on_response_complete(self) -> None:
        """Start to wait for the next request."""
        self._wait()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    @property
    def is_answering(self) -> bool:
        """Whether a request has arrived whose answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.waiting_since = self.loop.time()
        self._timer = self.loop.call_later(_REQUEST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.is_answering:
            self._timer = self.loop.call_later(_ANSWER_SECONDS, self.transport.abort)
        else:
            self.transport.abort()


def serve(dsn: str, listening: Listening) -> None:
    """Answer requests until SIGINT or SIGTERM; SIGINT raises ``KeyboardInterrupt`` at the end."""
    prepare(dsn, listening).run(sockets=[listening.socket])


def _names(host: str) -> set[str]:
    """Return the names and addresses of this machine, as far as it knows them."""
    names = {host, socket.gethostname(), socket.getfqdn()}
    try:
        found = {str(address[0]) for *_, address in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        found = set()
    return names | {f"[{each}]" if ":" in each else each for each in found}

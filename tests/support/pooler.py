"""A stand-in for a connection pooler: a socket that forwards to the server and hides the backend's process id."""

from __future__ import annotations

import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@contextmanager
def pooler(dsn: str) -> Iterator[str]:
    """Forward everything that the server sends, except for the process id of its backend."""
    given = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    upstream = Path(given["host"]) / f".s.PGSQL.{given.get('port', 5432)}"
    with tempfile.TemporaryDirectory(prefix="cp-") as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(Path(directory) / ".s.PGSQL.5432"))
        listener.listen()

        def pump(source: socket.socket, target: socket.socket, renumber: bool) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    at = data.find(b"K" + struct.pack("!I", 12)) if renumber else -1
                    if at >= 0:
                        data = data[: at + 5] + struct.pack("!I", 4711) + data[at + 9 :]
                        renumber = False
                    target.sendall(data)
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.socket(socket.AF_UNIX)
                    server.connect(str(upstream))
                    for source, target, renumber in ((client, server, False), (server, client, True)):
                        threading.Thread(target=pump, args=(source, target, renumber), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield make_conninfo(dsn, host=directory, port=5432)
        listener.shutdown(socket.SHUT_RDWR)

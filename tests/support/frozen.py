"""What a release freezes: checksums of the SQL files that it applies, and a script of the state that it installs.

``python -m tests.support.frozen`` (``make freeze``) is part of making a release: it adds the files that are new since
the last to ``sql/CHECKSUMS``, and the release's own installation script to ``tests/releases``. From then on tests
fail when one of those files changes, and upgrade every release to the present state.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from importlib.metadata import version
from pathlib import Path

from orchestrator.core import sqlfiles
from orchestrator.install import script

CHECKSUMS = sqlfiles.ROOT / "CHECKSUMS"
RELEASES = Path(__file__).parents[1] / "releases"
_HEADING = "# sha256 of every released file, by `make freeze`. A released file never changes: add a new version.\n"


def candidates(root: Path) -> list[Path]:
    """The files that migrations apply, and the migrations."""
    folders = ("functions/**/*.sql", "indexes/*.sql", "triggers/*.sql", "migrations/*.sql", "migrations/*.py")
    return sorted(path for folder in folders for path in root.glob(folder))


def listed(checksums: Path) -> dict[str, str]:
    """What was released: a checksum for each path."""
    lines = [line for line in checksums.read_text().splitlines() if line and not line.startswith("#")]
    return {path: checksum for checksum, path in (line.split("  ", 1) for line in lines)}


def problems(root: Path, checksums: Path) -> list[str]:
    """What happened to released files, a sentence each."""
    found = []
    for name, checksum in listed(checksums).items():
        path = root / name
        if not path.exists():
            found.append(f"{name} was released and is missing")
        elif _checksum(path) != checksum:
            found.append(f"{name} was released and has changed; it stays as it was, and a new version is a new file")
    return found


def freeze(root: Path, checksums: Path) -> list[str]:
    """Add what is not listed yet; returns those paths."""
    known = listed(checksums) if checksums.exists() else {}
    new = {str(path.relative_to(root)): _checksum(path) for path in candidates(root)}
    added = sorted(new.keys() - known.keys())
    lines = [f"{checksum}  {name}\n" for name, checksum in sorted({**new, **known}.items())]
    checksums.write_text(_HEADING + "".join(lines))
    return added


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()  # --help and a misspelt argument freeze nothing
    changed = problems(sqlfiles.ROOT, CHECKSUMS)
    if changed:
        sys.exit("\n".join(changed))
    release = RELEASES / f"{version('connection-paths')}.sql"
    if release.exists():
        sys.exit(f"{release} exists: raise the version in pyproject.toml first")
    print(f"{len(freeze(sqlfiles.ROOT, CHECKSUMS))} files frozen")
    RELEASES.mkdir(exist_ok=True)
    release.write_text(script.psql())


if __name__ == "__main__":
    main()

"""The command ``orchestrator`` with all its commands. The file of a command is loaded when the command is used."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module

import click

from orchestrator.cli.group import Group
from orchestrator.cli.invocation import shared_options

_NAMES = (
    "attach", "backfill", "compare", "demo", "detach", "doctor", "install", "map", "organizations", "paths", "plan",
    "resolve", "runs", "script", "seed", "serve", "status", "sweep", "sync", "uninstall", "verify",
)  # fmt: skip


class _Commands(MutableMapping[str, click.Command]):
    """The commands by name. Loading all of them takes longer than most commands do."""

    def __init__(self) -> None:
        self._loaded: dict[str, click.Command | None] = dict.fromkeys(_NAMES)

    def __getitem__(self, name: str) -> click.Command:
        found = self._loaded[name]
        if found is None:
            try:
                found = import_module(f"orchestrator.cli.{name}").command
            except KeyboardInterrupt:  # Ctrl-C while the libraries are loaded
                sys.exit("Stopped before anything was done.")
            self._loaded[name] = found
        return found

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]}, commands=_Commands())
@click.version_option(package_name="connection-paths")
@shared_options
def main() -> None:
    """Who on my team can introduce me to this person? Answered inside your own PostgreSQL."""

"""Asking before something is destroyed."""

from __future__ import annotations

import sys

import click

from orchestrator.core import text


def confirm(question: str) -> None:
    """Ask whether to continue; "no" aborts the command. Without a terminal to ask on, raise a usage error."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} There is no terminal to ask on; give --yes.")
    click.confirm(f"{text.printable(question)} Continue?", abort=True, err=True)

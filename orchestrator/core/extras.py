"""Modules that need optional libraries. They are imported only by the commands that use them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from orchestrator.core.errors import OrchestratorError


def load(module: str, extra: str) -> Any:
    """Import *module*; a missing library is an :class:`OrchestratorError` with the command that installs *extra*."""
    try:
        return import_module(module)
    except ImportError as error:
        raise OrchestratorError(f"{error}; run: pip install 'connection-paths[{extra}]'") from error

"""Modules whose libraries are extras of the package: loaded when they are asked for, for they are large."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from orchestrator.core.errors import OrchestratorError


def load(module: str, extra: str) -> Any:
    """Return *module*; raises :class:`OrchestratorError` that names the *extra* when a library is not there."""
    try:
        return import_module(module)
    except ImportError as error:
        raise OrchestratorError(f"{error}; run: pip install 'connection-paths[{extra}]'") from error

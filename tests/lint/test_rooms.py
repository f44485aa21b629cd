"""Rooms use each other, in SQL and in Python, only along the arrows that are listed here, and these have no cycle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support import sql_headers

PYTHON = Path(__file__).parents[2] / "orchestrator"

#: The rooms whose SQL functions each room calls. ``core`` is for every room.
SQL_ARROWS = {
    "changes": {"edges", "host", "names"},  # sync proposes new names
    "detaching": {"changes", "host"},
    "edges": {"host"},
    "finders": {"edges"},
    "rebuild": {"edges", "host"},
    "runs": {"edges", "host", "rebuild"},
}

#: The packages of ``orchestrator`` that each package imports. ``core`` is for every package, and ``cli`` imports all.
PYTHON_ARROWS = {
    "access": {"host"},
    "changes": {"host"},
    "detaching": {"host"},
    "doctor": {"access", "host", "inspection", "install"},
    "finders": {"host"},
    "inspection": {"host"},
    "install": {"access", "host", "inspection"},
    "names": {"host", "install"},
    "playground": {"finders", "host"},
    "rebuild": {"host"},
    "runs": {"finders", "host", "rebuild"},
    "sweep": {"finders", "host"},
    "verify": {"changes", "finders", "host", "inspection", "runs"},
}


def check(found: set[tuple[str, str, str]], arrows: dict[str, set[str]]) -> None:
    """Check uses (a room, the room that it uses, a text): they are along the arrows, and every arrow is used."""
    assert sorted(text for room, used, text in found if used not in arrows.get(room, set())) == []
    assert {(room, used) for room, used, _ in found} == {
        (room, used) for room, all_used in arrows.items() for used in all_used
    }


def test_no_room_uses_itself_through_other_rooms() -> None:
    """The arrows of SQL and of Python together have no cycle."""
    rooms = {*SQL_ARROWS, *PYTHON_ARROWS}
    both = {room: SQL_ARROWS.get(room, set()) | PYTHON_ARROWS.get(room, set()) for room in rooms}
    assert {*TopologicalSorter(both).static_order()} >= rooms  # raises CycleError, which names the rooms of a cycle


def test_sql_functions_call_each_other_only_along_the_arrows() -> None:
    files = sql_headers.current()
    room = {name: path.relative_to(sql_headers.ROOT / "functions").parts[0] for name, path in files.items()}
    calls = {
        (room[name], room[called], f"{name} calls {called}")
        for name, path in files.items()
        for called in sql_headers.every()[path].calls
        if called in room and room[called] not in (room[name], "core")
    }
    check(calls, SQL_ARROWS)


def imported(path: Path) -> set[str]:
    """Return the packages of ``orchestrator`` that a Python file imports from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("orchestrator."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "orchestrator":
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("orchestrator.")}
    return found


def test_python_packages_import_each_other_only_along_the_arrows() -> None:
    imports = {
        (path.relative_to(PYTHON).parts[0], used, f"{path.relative_to(PYTHON)} imports {used}")
        for path in PYTHON.rglob("*/*.py")
        for used in imported(path)
    }
    outside_cli = {each for each in imports if each[0] != "cli" and each[1] not in (each[0], "core")}
    check(outside_cli, PYTHON_ARROWS)

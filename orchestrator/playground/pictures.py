"""An answer's paths as a graph from left to right: users, contacts by how far they are from the target, the target.

Everybody is drawn once, however many paths they are on. The drawing is Sugiyama's in small: an edge that passes a
column gets a place in it; in each column the order that crosses little is found by going to and fro, each node taking
the mean place of its neighbours; then nodes move as near to their neighbours as order and distance allow.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from orchestrator.core.text import capitalized
from orchestrator.finders import reasons
from orchestrator.finders.paths import Names

PATHS_DRAWN = 30

_NODE, _GAP = 124, 44  # pixels: a node's width, and what is between columns
_HEIGHT, _ROOM = 30, 14  # a node's height, and what is between two
_LANE, _BETWEEN_LANES = 6, 7  # the same of an edge's place in a column it passes
_MARGIN = 12
_LETTER = 6.6  # pixels, of a letter of a name
_LABEL_LETTER = 6.4
_MOST_CHARACTERS = 1000  # of a label that are looked at: some take no room, so width alone is no limit
_SWEEPS = 8


@dataclass
class Node:
    """Somebody; ``x`` and ``y`` are the middle. A node without a ``kind`` is an edge's place in a column it passes."""

    key: str
    column: int
    kind: str = ""
    name: str = ""
    label: str = ""
    paths: set[int] = field(default_factory=set)
    x: float = 0.0
    y: float = 0.0

    @property
    def height(self) -> float:
        """Pixels."""
        return _HEIGHT if self.kind else _LANE


@dataclass
class Edge:
    """Why two know each other; ``line`` is an SVG path, the label is for its middle."""

    title: str
    label: str
    paths: set[int] = field(default_factory=set)
    line: str = ""
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0


@dataclass(frozen=True)
class Picture:
    """A drawing of so many pixels."""

    width: int
    height: int
    node_width: int
    node_height: int
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    paths_drawn: int
    columns: int


def picture(document: Mapping[str, Any], names: Names, viewer: int) -> Picture:
    """Draw the first paths of an answer, of which there is one at least."""
    paths = document["paths"][:PATHS_DRAWN]
    nodes, edges = _graph(paths, names, viewer)
    columns: list[list[Node]] = [[] for _ in range(1 + max(node.column for node in nodes.values()))]
    for node in nodes.values():
        columns[node.column].append(node)
    lanes = {ends: _lanes(nodes[ends[0]], nodes[ends[1]], columns) for ends in edges}
    links = [pair for lane in lanes.values() for pair in pairwise(lane)]
    _order(columns, links)
    height = _place(columns, links)
    width = 2 * _MARGIN + len(columns) * _NODE + (len(columns) - 1) * _GAP
    for ends, edge in edges.items():
        _draw(edge, lanes[ends], width)
    return Picture(
        width, round(height), _NODE, _HEIGHT, list(nodes.values()), list(edges.values()), len(paths), len(columns)
    )


def _graph(
    paths: Sequence[Mapping[str, Any]], names: Names, viewer: int
) -> tuple[dict[str, Node], dict[tuple[str, str], Edge]]:
    """Return who is on the paths, each in its column, and who knows whom."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], Edge] = {}
    far = _distances(paths)
    last = 1 + max(far.values())  # the target's column
    for number, path in enumerate(paths):
        opener, contacts = path["user_ids"][0], path["contact_ids"]
        who = capitalized(reasons.user(opener, viewer))
        keys = [f"u{opener}", *(f"c{contact}" for contact in contacts)]
        nodes.setdefault(keys[0], Node(keys[0], 0, "you" if opener == viewer else "user", who, fitted(who)))
        for key, contact in zip(keys[1:], contacts, strict=True):
            name = names.contact(contact)
            kind = "contact" if far[contact] else "target"
            nodes.setdefault(key, Node(key, last - far[contact], kind, name, fitted(name)))
        opens = f"{reasons.opening(path, names, viewer)} {reasons.other_openers(path)}".rstrip()
        told = [(opens, "your own contact" if opener == viewer else "their own contact")]
        told += [(reasons.hop(hop, names), reasons.ground(hop, names)) for hop in path["hops"]]
        for (a, b), (title, label) in zip(pairwise(keys), told, strict=True):
            ends = (a, b) if nodes[a].column <= nodes[b].column else (b, a)
            if ends[::-1] in edges:  # two in one column, met the other way round
                ends = ends[::-1]
            edges.setdefault(ends, Edge(title, label)).paths.add(number)
        for key in keys:
            nodes[key].paths.add(number)
    return nodes, edges


def _distances(paths: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Return how many steps each contact is from the target."""
    known: dict[int, set[int]] = defaultdict(set)
    for path in paths:
        for a, b in pairwise(path["contact_ids"]):
            known[a].add(b)
            known[b].add(a)
    target = paths[0]["contact_ids"][-1]
    far, queue = {target: 0}, deque([target])
    while queue:
        contact = queue.popleft()
        for other in known[contact] - far.keys():
            far[other] = far[contact] + 1
            queue.append(other)
    return far


def _lanes(a: Node, b: Node, columns: list[list[Node]]) -> list[Node]:
    """Return the nodes an edge runs through, having given it a place in every column between its ends."""
    between = [Node(f"{a.key}-{b.key}-{column}", column) for column in range(a.column + 1, b.column)]
    for place in between:
        columns[place.column].append(place)
    return [a, *between, b]


def _order(columns: list[list[Node]], links: Sequence[tuple[Node, Node]]) -> None:
    """Order each column so that few edges cross; what comes first in the answer begins above."""
    left, right = defaultdict(list), defaultdict(list)
    for a, b in links:
        if a.column != b.column:
            right[a.key].append(b.key)
            left[b.key].append(a.key)
    best, fewest = [list(column) for column in columns], _crossings(columns, links)
    for sweep in range(_SWEEPS):
        neighbours, way = (left, columns) if sweep % 2 == 0 else (right, columns[::-1])
        place = {node.key: number / len(column) for column in columns for number, node in enumerate(column)}
        for column in way:
            means = {
                node.key: sum(place[key] for key in neighbours[node.key]) / len(neighbours[node.key])
                if neighbours[node.key]
                else place[node.key]
                for node in column
            }
            column.sort(key=lambda node: means[node.key])
            place |= {node.key: number / len(column) for number, node in enumerate(column)}
        crossings = _crossings(columns, links)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    columns[:] = best


def _crossings(columns: Sequence[Sequence[Node]], links: Sequence[tuple[Node, Node]]) -> int:
    place = {node.key: number for column in columns for number, node in enumerate(column)}
    by_column: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for a, b in links:
        if a.column != b.column:
            by_column[a.column].append((place[a.key], place[b.key]))
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for pairs in by_column.values()
        for number, a in enumerate(pairs)
        for b in pairs[number + 1 :]
    )


def _place(columns: Sequence[Sequence[Node]], links: Sequence[tuple[Node, Node]]) -> float:
    """Give every node its middle, and return the drawing's height."""
    beside = defaultdict(list)
    for a, b in links:
        beside[a.key].append(b)
        beside[b.key].append(a)
    for number, column in enumerate(columns):
        places = _apart(column, [0.0] * len(column))
        for node, y in zip(column, places, strict=True):
            node.x = _MARGIN + number * (_NODE + _GAP) + _NODE / 2
            node.y = y
    for _ in range(_SWEEPS):
        for column in (*columns, *reversed(columns)):
            wanted = [
                sum(other.y for other in beside[node.key]) / len(beside[node.key]) if beside[node.key] else node.y
                for node in column
            ]
            for node, y in zip(column, _apart(column, wanted), strict=True):
                node.y = y
    everybody = [node for column in columns for node in column]
    top = min(node.y - node.height / 2 for node in everybody) - _MARGIN
    for node in everybody:
        node.y -= top
    return max(node.y + node.height / 2 for node in everybody) + _MARGIN


def _apart(column: Sequence[Node], wanted: Sequence[float]) -> list[float]:
    """Return the places nearest to those *wanted*, by least squares, that keep the column's order and distances.

    Less the room above each, places need only not decrease: isotonic regression, by pooling neighbours that violate it.
    """
    room = [0.0]
    for a, b in pairwise(column):
        room.append(room[-1] + (a.height + b.height) / 2 + (_ROOM if a.kind or b.kind else _BETWEEN_LANES))
    pools: list[list[float]] = []  # the mean, and how many share it
    for place, above in zip(wanted, room, strict=True):
        pools.append([place - above, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, number = pools.pop()
            pools[-1][0] = (pools[-1][0] * pools[-1][1] + mean * number) / (pools[-1][1] + number)
            pools[-1][1] += number
    means = [mean for mean, number in pools for _ in range(int(number))]
    return [mean + above for mean, above in zip(means, room, strict=True)]


def _draw(edge: Edge, lane: Sequence[Node], width: float) -> None:
    """Make an edge's line: a curve from column to column, straight through those it passes, a bow within one."""
    a, b = lane[0], lane[-1]
    half = _NODE / 2
    if a.column == b.column:
        side = a.x + half
        bow = side + _GAP * 0.8
        edge.line = f"M{side:.1f} {a.y:.1f}C{bow:.1f} {a.y:.1f} {bow:.1f} {b.y:.1f} {side:.1f} {b.y:.1f}"
        edge.x, edge.y = side + _GAP / 2, (a.y + b.y) / 2
    else:
        parts = [f"M{a.x + half:.1f} {a.y:.1f}"]
        for here, there in pairwise(lane):
            begin, end = here.x + half, there.x - half
            middle = (begin + end) / 2
            parts.append(f"C{middle:.1f} {here.y:.1f} {middle:.1f} {there.y:.1f} {end:.1f} {there.y:.1f}")
            if there is not b:
                parts.append(f"H{there.x + half:.1f}")
        edge.line = "".join(parts)
        edge.x, edge.y = (a.x + half + lane[1].x - half) / 2, (a.y + lane[1].y) / 2
    edge.label = fitted(edge.label, width - 4 * _MARGIN, _LABEL_LETTER)
    edge.width = round(_wide(edge.label) * _LABEL_LETTER + 16)
    edge.x = min(max(edge.x, edge.width / 2 + 2), width - edge.width / 2 - 2)


def fitted(text: str, width: float = _NODE - 16, letter: float = _LETTER) -> str:
    """Return as much of *text* as fits into so many pixels, with an ellipsis where some is missing."""
    room = width / letter  # in letters
    wide, kept = 0.0, 0  # how many characters fit beside an ellipsis
    for number, each in enumerate(text[:_MOST_CHARACTERS], 1):
        wide += _wide(each)
        if wide + 1 <= room:
            kept = number
        elif wide > room:
            break
    else:
        if len(text) <= _MOST_CHARACTERS:
            return text
    return f"{text[:kept].rstrip()}…"


def _wide(text: str) -> float:
    """Return the width of *text* in letters."""
    return sum(
        0.0 if unicodedata.combining(each) else 1.8 if unicodedata.east_asian_width(each) in "WF" else 1.0
        for each in text
    )

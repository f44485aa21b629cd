"""The paths of an answer as a graph from left to right: users, then contacts by their distance from the target.

Each person is drawn once, however many paths they are on. An edge that passes a column gets a place in it. In each
column, nodes are ordered by the mean place of their neighbours, so that few edges cross (after Sugiyama).
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from orchestrator.core.text import capitalized
from orchestrator.finders import wording
from orchestrator.finders.paths import Names

PATHS_DRAWN = 30

_NODE, _GAP = 124, 44  # pixels: the width of a node, and between columns
_HEIGHT, _ROOM = 30, 14  # the height of a node, and between two nodes
_LANE = 6  # the height of an edge's place in a column that it passes
_MARGIN = 12
_LETTER = 6.6  # pixels, of a letter of a name
_LABEL_LETTER = 6.4
_MOST_CHARACTERS = 1000  # of a label; some characters have no width, so width alone is no limit
_SWEEPS = 8


@dataclass
class Node:
    """A person; ``x`` and ``y`` are the middle. A node without a ``kind`` is an edge's place in a column."""

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
    """What links two people; ``line`` is an SVG path, and the label is for its middle."""

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
    """Draw the first paths of an answer, which has at least one."""
    paths = document["paths"][:PATHS_DRAWN]
    nodes, edges = _graph(paths, names, viewer)
    columns: list[list[Node]] = [[] for _ in range(1 + max(node.column for node in nodes.values()))]
    for node in nodes.values():
        columns[node.column].append(node)
    lanes = {ends: _lanes(nodes[ends[0]], nodes[ends[1]], columns) for ends in edges}
    _order(columns, [pair for lane in lanes.values() for pair in pairwise(lane)])
    height = _place(columns)
    width = 2 * _MARGIN + len(columns) * _NODE + (len(columns) - 1) * _GAP
    for ends, edge in edges.items():
        _draw(edge, lanes[ends], width)
    return Picture(
        width, round(height), _NODE, _HEIGHT, list(nodes.values()), list(edges.values()), len(paths), len(columns)
    )


def _graph(
    paths: Sequence[Mapping[str, Any]], names: Names, viewer: int
) -> tuple[dict[str, Node], dict[tuple[str, str], Edge]]:
    """Return the people of the paths, each in a column, and the edges between them."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], Edge] = {}
    far = _distances(paths)
    last = 1 + max(far.values())  # the target's column
    for number, path in enumerate(paths):
        opener, contacts = path["user_ids"][0], path["contact_ids"]
        who = capitalized(wording.user(opener, viewer, names))
        keys = [f"u{opener}", *(f"c{contact}" for contact in contacts)]
        nodes.setdefault(keys[0], Node(keys[0], 0, "you" if opener == viewer else "user", who, fitted(who)))
        for key, contact in zip(keys[1:], contacts, strict=True):
            name = names.contact(contact)
            kind = "contact" if far[contact] else "target"
            nodes.setdefault(key, Node(key, last - far[contact], kind, name, fitted(name)))
        opening = f"{wording.opening(path, names, viewer)} {wording.other_openers(path, names)}".rstrip()
        texts = [(opening, "your own contact" if opener == viewer else "their own contact")]
        texts += [(wording.hop(hop, names), wording.ground(hop, names)) for hop in path["hops"]]
        for (a, b), (title, label) in zip(pairwise(keys), texts, strict=True):
            ends = (a, b) if nodes[a].column <= nodes[b].column else (b, a)
            if ends[::-1] in edges:  # two in one column, in the opposite direction before
                ends = ends[::-1]
            edges.setdefault(ends, Edge(title, label)).paths.add(number)
        for key in keys:
            nodes[key].paths.add(number)
    return nodes, edges


def _distances(paths: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Return the distance of each contact from the target."""
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
    """Give an edge a place in every column between its ends; return all nodes that it passes."""
    between = [Node(f"{a.key}-{b.key}-{column}", column) for column in range(a.column + 1, b.column)]
    for place in between:
        columns[place.column].append(place)
    return [a, *between, b]


def _order(columns: list[list[Node]], links: Sequence[tuple[Node, Node]]) -> None:
    """Order each column so that few edges cross: to and fro, by the mean place of the neighbours in other columns.

    The first paths of the answer begin at the top.
    """
    beside = defaultdict(list)
    for a, b in links:
        if a.column != b.column:
            beside[a.key].append(b.key)
            beside[b.key].append(a.key)
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            place = {node.key: number / len(each) for each in columns for number, node in enumerate(each)}
            mean = {key: sum(place[each] for each in keys) / len(keys) for key, keys in beside.items()}
            wanted = {node.key: mean.get(node.key, place[node.key]) for node in column}
            column.sort(key=lambda node: wanted[node.key])


def _place(columns: Sequence[Sequence[Node]]) -> float:
    """Stack the nodes of each column around the same middle, and return the height of the drawing."""
    heights = [sum(node.height for node in column) + _ROOM * (len(column) - 1) for column in columns]
    for number, (column, height) in enumerate(zip(columns, heights, strict=True)):
        top = _MARGIN + (max(heights) - height) / 2
        for node in column:
            node.x = _MARGIN + number * (_NODE + _GAP) + _NODE / 2
            node.y = top + node.height / 2
            top += node.height + _ROOM
    return max(heights) + 2 * _MARGIN


def _draw(edge: Edge, lane: Sequence[Node], width: float) -> None:
    """Draw an edge: a curve from column to column, straight through its places, a bow within one column."""
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
    """Return the beginning of *text* that fits into so many pixels, with an ellipsis when it is cut."""
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

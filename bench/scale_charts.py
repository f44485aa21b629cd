"""Charts of figures by the size of the database, on two logarithmic axes, with the power law that fits each line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 320, 64, 250, 30, 40
_COLOURS = ("#1b6ca8", "#2a9d5c", "#c9791b", "#b03a48", "#6a4c93", "#555555")

#: Edges and a figure.
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class PowerLaw:
    """``factor`` × edges to the power of ``exponent``."""

    factor: float
    exponent: float

    def at(self, edges: float) -> float:
        """Return the figure at so many edges."""
        return float(self.factor * edges**self.exponent)


def fit(points: Points) -> PowerLaw | None:
    """Return the power law with the least squares of the logarithms; None unless there are two sizes."""
    logs = [(math.log(x), math.log(y)) for x, y in points if y > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    middle_x, middle_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    exponent = sum((x - middle_x) * (y - middle_y) for x, y in logs) / sum((x - middle_x) ** 2 for x, _ in logs)
    return PowerLaw(math.exp(middle_y - exponent * middle_x), exponent)


def chart(title: str, unit: str, lines: Mapping[str, Points]) -> str:
    """Return a chart with a line for each name: its points, and dashed the power law that fits them."""
    every = [point for points in lines.values() for point in points if point[1] > 0]
    across = _Axis.around([x for x, _ in every], _LEFT, _WIDTH - _RIGHT)
    up = _Axis.around([y for _, y in every], _HEIGHT - _BOTTOM, _TOP)
    parts = [_text(_LEFT, 16, title), _text(8, 28, unit, "#777")]
    for x in across.ticks():
        parts.append(_text(across.place(x) - 12, _HEIGHT - _BOTTOM + 16, _short(x)))
    for y in up.ticks():
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up.place(y):.0f}" y2="{up.place(y):.0f}" stroke="#ddd"/>'
        )
        parts.append(_text(8, up.place(y) + 4, _short(y)))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2 - 16, _HEIGHT - 6, "edges"))
    for number, (name, points) in enumerate(lines.items()):
        colour, law = _COLOURS[number % len(_COLOURS)], fit(points)
        places = [(across.place(x), up.place(y)) for x, y in points if y > 0]
        parts.append(_line(places, f'stroke="{colour}" stroke-width="2"'))
        parts += [f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"/>' for x, y in places]
        if law is not None:
            ends = [(across.place(x), up.place(law.at(x))) for x in (across.low, across.high)]
            parts.append(_line(ends, f'stroke="{colour}" stroke-dasharray="4 4"'))
        grows = "" if law is None else f": edges^{law.exponent:.2f}"
        parts.append(_text(_WIDTH - _RIGHT + 12, _TOP + 14 + 16 * number, f"{name}{grows}", colour))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
    return "\n".join([f'{head} font-size="11">', f"<title>{escape(title)}</title>", *parts, "</svg>\n"])


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: float  # where the low end is in the picture
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        return cls(min(values) / 1.6, max(values) * 1.6, start, end)

    def place(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self) -> Iterator[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for power in range(first, last + 1):
            for step in (1, 2, 5) if last - first <= 3 else (1,):
                if self.low <= step * 10.0**power <= self.high:
                    yield step * 10.0**power


def _short(value: float) -> str:
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _line(places: Sequence[tuple[float, float]], look: str) -> str:
    return f'<polyline points="{" ".join(f"{x:.0f},{y:.0f}" for x, y in places)}" fill="none" {look}/>'


def _text(x: float, y: float, words: str, colour: str = "#333") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}">{escape(words)}</text>'

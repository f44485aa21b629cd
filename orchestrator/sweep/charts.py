"""The charts of a sweep's report, each an SVG to be put into the page.

matplotlib draws them; its text stays text, in the page's fonts. A colour is drawn as a placeholder and then becomes a
custom property of the page, so that one drawing serves the light and the dark theme. A chart is :data:`WIDTH` CSS
pixels wide at its natural size, which is a phone's, so that its text is as large as the page's small print everywhere.

Versions differ by colour, by marker and by dashes, and are named at the end of their lines. Latencies are in
milliseconds on a logarithmic axis, and charts that stand side by side have the same axes.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from orchestrator.sweep.statistics import BETTER, WORSE, Interval, Samples

WIDTH = 360
_PER_INCH = 72  # of an SVG of matplotlib's, whose unit is then our pixel

#: Custom properties of the page: in the light theme, in the dark one. The versions' are near those of Okabe and Ito,
#: which colour-blind people can tell apart, darkened or lightened until they can be read as text.
COLOURS: Mapping[str, tuple[str, str]] = {
    "page": ("#fdfdfb", "#14161a"),
    "panel": ("#f4f4f0", "#1d2026"),
    "ink": ("#1c1e22", "#e9e9e6"),
    "muted": ("#595e68", "#a6abb5"),
    "line": ("#dcdcd6", "#363a43"),
    "grid": ("#e9e9e4", "#262a31"),
    "good": ("#0a6b4b", "#4cc79a"),
    "bad": ("#ad2b1d", "#ff8f7f"),
    "unsure": ("#7a5700", "#e0bb55"),
    "heat": ("#e08b3e", "#b5621c"),
    "version-0": ("#0068b0", "#62b5f2"),
    "version-1": ("#b54700", "#ff985c"),
    "version-2": ("#007657", "#38c99d"),
    "version-3": ("#a0357c", "#e79bcb"),
    "version-4": ("#765c00", "#e3c14b"),
    "version-5": ("#555b66", "#b8bdc7"),
}
_VERSIONS = 6  # colours
_NAMES = list(COLOURS)
_PLACEHOLDER = "#a0b0"  # and the colour's number in two digits
_FOUND = re.compile(_PLACEHOLDER + "([0-9a-f]{2})")

_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (1, 1)), (0, (9, 3)))

_SMALL, _TEXT = 11, 12  # pixels of type
_CHARACTER = 7.6  # pixels at most, of a bold word in it
_LINE = 14  # pixels between two words above each other
_LONGEST = 13  # letters of a version's name beside its line
_BANDS = 3  # of more versions, the bands between median and p95 hide each other
_COLUMNS = 240  # places at which a percentile curve is drawn, one a pixel or more


@dataclass(frozen=True)
class Style:
    """How a version is drawn; ``colour`` is the name of one of :data:`COLOURS`."""

    colour: str
    marker: str
    dashes: Any


def style(number: int) -> Style:
    """Return the look of the version with this number; the first six differ in everything."""
    again = number + number // _VERSIONS  # the next six in other markers and dashes
    return Style(f"version-{number % _VERSIONS}", _MARKERS[again % len(_MARKERS)], _DASHES[again % len(_DASHES)])


@dataclass(frozen=True)
class Limits:
    """The bounds of an axis of milliseconds, which charts side by side share."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Limits:
        """Return bounds with some air around the finite ones of *values*, half a decade at least."""
        finite = [value for value in values if math.isfinite(value) and value > 0]
        if not finite:
            return cls(1, 10)
        low, high = min(finite) / 1.3, max(finite) * 1.4
        missing = math.sqrt(max(1.0, math.sqrt(10) / (high / low)))
        return cls(low / missing, high * missing)


@dataclass(frozen=True)
class Line:
    """A version by depth: its median and its 95th percentile in milliseconds."""

    label: str
    style: Style
    depths: Sequence[int]
    p50: Sequence[float]
    p95: Sequence[float]


@dataclass(frozen=True)
class Curve:
    """A version's samples."""

    label: str
    style: Style
    samples: Samples


@dataclass(frozen=True)
class Bar:
    """A version's answers a second."""

    label: str
    style: Style
    rate: float


@dataclass(frozen=True)
class Ratio:
    """One row of a comparison."""

    label: str
    interval: Interval
    verdict: str


def by_depth(name: str, lines: Sequence[Line], limits: Limits) -> Markup:
    """Draw latency by depth: the 95th percentile over the median, the band between them filled."""
    figure, axes = _figure(250, right=_room(lines))
    depths = sorted({depth for line in lines for depth in line.depths})
    _milliseconds(axes, limits)
    if len(depths) > 1:
        axes.set_xlim(depths[0] - 0.15, depths[-1] + 0.15)
        axes.set_xticks(depths, labels=[str(depth) for depth in depths])
        _caption(axes, "depth")
        for line in lines:
            _depth_line(axes, line, limits, has_band=len(lines) <= _BANDS)
        ends = [(line.label, line.style, line.p95[-1]) for line in lines if line.p95]
        _names(figure, axes, ends, limits)
    else:  # a line needs two points: versions side by side instead
        axes.set_xlim(-0.6, len(lines) - 0.4)
        axes.set_xticks(range(len(lines)), labels=[_short(line.label) for line in lines])
        for tick in axes.get_xticklabels():
            tick.set_parse_math(False)
        _caption(axes, f"depth {depths[0]}" if depths else "")
        for at, line in enumerate(lines):
            _depth_point(axes, at, line, limits)
    if not lines:
        _say_nothing(axes)
    told = "; ".join(
        f"{line.label}: "
        + ", ".join(
            f"depth {depth} p50 {_told(p50)} p95 {_told(p95)}"
            for depth, p50, p95 in zip(line.depths, line.p50, line.p95, strict=True)
        )
        for line in lines
    )
    return _svg(figure, name, f"Latency by depth. {told}")


def _depth_line(axes: Axes, line: Line, limits: Limits, *, has_band: bool) -> None:
    colour = _colour(line.style.colour)
    p50, p95 = (np.minimum(values, limits.high) for values in (line.p50, line.p95))
    if has_band:
        axes.fill_between(line.depths, p50, p95, color=colour, alpha=0.13, linewidth=0)
    look: dict[str, Any] = {"color": colour, "linestyle": line.style.dashes, "marker": line.style.marker}
    axes.plot(line.depths, p50, linewidth=1, markersize=3, alpha=0.85 if has_band else 0.5, **look)
    axes.plot(line.depths, p95, linewidth=2, markersize=5.5, **look)
    for depth, value in zip(line.depths, line.p95, strict=True):
        if math.isinf(value):
            _arrow(axes, depth, limits, colour)


def _depth_point(axes: Axes, at: int, line: Line, limits: Limits) -> None:
    colour = _colour(line.style.colour)
    for p50, p95 in zip(line.p50, line.p95, strict=True):
        axes.plot([at, at], [min(p50, limits.high), min(p95, limits.high)], color=colour, linewidth=9, alpha=0.18,
                  solid_capstyle="butt")  # fmt: skip
        for value, size in ((p50, 4), (p95, 7)):
            if math.isinf(value):
                _arrow(axes, at, limits, colour)
            else:
                axes.plot([at], [value], color=colour, marker=line.style.marker, markersize=size, linestyle="none")
        if math.isfinite(p95):
            axes.annotate(f"p95 {_number(p95)}", (at, p95), (9, 0), textcoords="offset points", va="center",
                          color=_colour("ink"), fontsize=_SMALL)  # fmt: skip
        if math.isfinite(p50) and p95 > p50 * (limits.high / limits.low) ** 0.08:
            axes.annotate(f"p50 {_number(p50)}", (at, p50), (9, 0), textcoords="offset points", va="center",
                          color=_colour("muted"), fontsize=_SMALL)  # fmt: skip


def distribution(name: str, curves: Sequence[Curve], limits: Limits, most: int) -> Markup:
    """Draw every sample of every version: how much a request took that so many per cent of requests did not exceed.

    The percentiles are spread as their distance from 100 is small, as HdrHistogram has them, because the tail is what
    matters. A curve ends with its slowest request; it leaves at the top where the rest was not answered. ``most`` is
    the number of samples that the axis has room for.
    """
    figure, axes = _figure(250, right=_room(curves))
    _milliseconds(axes, limits)
    right = max(1.0, math.log10(max(most, 1))) + 0.05
    axes.set_xlim(-0.03, right)
    percents = [percent for percent in (0, 50, 90, 99, 99.9, 99.99, 99.999) if _tail(percent / 100) <= right]
    axes.set_xticks([_tail(percent / 100) for percent in percents], labels=[f"{percent:g}" for percent in percents])
    axes.grid(visible=True, axis="x", color=_colour("grid"), linewidth=0.8)
    _caption(axes, "percentile of requests, %")
    ends, told, failing = [], [], 0
    for curve in curves:
        count = len(curve.samples)
        answered = np.sort(curve.samples[np.isfinite(curve.samples)])
        if not count:
            told.append(f"{curve.label}: no samples")
            continue
        colour, failed = _colour(curve.style.colour), 1 - len(answered) / count
        x, y = _steps(answered, count)
        if failed:
            x, y = np.append(x, [_tail(1 - failed)] * 2), np.append(y, [y[-1] if len(y) else limits.low, limits.high])
        axes.plot(x, y, color=colour, linewidth=1.8, linestyle=curve.style.dashes, drawstyle="steps-post")
        if failed:
            failing += 1
            _arrow(axes, _tail(1 - failed), limits, colour)
            is_left = _tail(1 - failed) < right / 2
            axes.annotate(
                f"{share(failed)} no answer", (_tail(1 - failed), limits.high),
                (8 if is_left else -8, 4 - _LINE * failing), textcoords="offset points", va="center",
                ha="left" if is_left else "right", color=colour, fontsize=_SMALL,
            )  # fmt: skip
        else:
            axes.plot(x[-1:], y[-1:], color=colour, marker=curve.style.marker, markersize=4.5)
        ends.append((curve.label, curve.style, math.inf if failed else float(y[-1])))
        longest = _told(float(answered[-1])) if len(answered) else "none"
        told.append(f"{curve.label}: {count:,} requests, slowest answer {longest}, {share(failed)} without an answer")
    if not any(len(curve.samples) for curve in curves):
        _say_nothing(axes)
    _names(figure, axes, ends, limits)
    return _svg(figure, name, f"Distribution of latencies. {'; '.join(told)}")


def _steps(answered: Samples, count: int) -> tuple[Samples, Samples]:
    """Return where on the axis some ranks begin, and their samples: as many as can be seen, the first and the last."""
    if not len(answered):
        return np.empty(0), np.empty(0)
    columns = np.linspace(0, math.log10(count), _COLUMNS)
    ranks = np.unique(np.append(np.floor(count * (1 - 10**-columns)).astype(np.int64), [0, len(answered) - 1]))
    ranks = ranks[ranks < len(answered)]
    return -np.log10(1 - ranks / count), answered[ranks]


def throughput(name: str, bars: Mapping[str, Sequence[Bar]], most: float) -> Markup:
    """Draw answers a second as bars, by heading; ``most`` is what the longest bar may stand for."""
    step, heading, gap = 19, 20, 8
    height = sum(heading + gap + step * len(group) for group in bars.values()) + 6
    labels = [bar.label for group in bars.values() for bar in group]
    left = min(max((len(_short(label)) for label in labels), default=2) * _CHARACTER + 12, 120)
    figure, axes = _figure(height, left=left, right=58, top=0, bottom=0)
    axes.set_xlim(0, most or 1)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    at, told = 0.0, []
    for title, group in bars.items():
        axes.annotate(title, (0, at + heading / 2), (-left, 0), textcoords="offset points", va="center",
                      color=_colour("muted"), fontsize=_SMALL)  # fmt: skip
        at += heading
        for bar in group:
            middle, colour = at + step / 2, _colour(bar.style.colour)
            axes.barh(middle, bar.rate, height=11, color=colour)
            _name(axes, bar.label, (0, middle), (-8, 0), colour, ha="right")
            axes.annotate(f"{bar.rate:,.0f}" if bar.rate >= 10 else f"{bar.rate:.2g}", (bar.rate, middle), (6, 0),
                          textcoords="offset points", va="center", color=_colour("ink"), fontsize=_SMALL)  # fmt: skip
            told.append(f"{title} {bar.label} {bar.rate:,.1f}")
            at += step
        at += gap
    return _svg(figure, name, f"Answers a second. {'; '.join(told)}")


def ratios(name: str, rows: Sequence[Ratio], margin: float) -> Markup:
    """Draw ratios with their intervals around 1, the margin within which a difference is none shaded."""
    step, bottom = 20, 36
    height = step * len(rows) + bottom + 6
    left = min(max((len(_short(row.label, 26)) for row in rows), default=2) * 6.1 + 16, 172)
    figure, axes = _figure(height, left=left, right=12, top=4, bottom=bottom)
    bounds = [bound for row in rows for bound in (row.interval.low, row.interval.ratio, row.interval.high)]
    usable = [bound for bound in bounds if math.isfinite(bound) and bound > 0]
    low, high = min([*usable, 0.8]) / 1.15, max([*usable, 1.25]) * 1.15
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    _log_ticks(axes, low, high, is_x=True, room=(WIDTH - left - 12) / 38)
    axes.set_yticks([])
    axes.grid(visible=True, axis="x", color=_colour("grid"), linewidth=0.8)
    axes.axvspan(1 / (1 + margin), 1 + margin, color=_colour("line"), alpha=0.6, linewidth=0)
    axes.axvline(1, color=_colour("muted"), linewidth=1)
    _caption(axes, "ratio of p95; left of 1 is faster")
    told = []
    for at, row in enumerate(rows):
        colour = _colour({BETTER: "good", WORSE: "bad"}.get(row.verdict, "muted"))
        ratio = min(max(row.interval.ratio, low), high) if not math.isnan(row.interval.ratio) else math.nan
        ends = [min(max(bound, low), high) for bound in (row.interval.low, row.interval.high)]
        if not any(map(math.isnan, ends)):
            axes.plot(ends, [at, at], color=colour, linewidth=2, solid_capstyle="butt")
        if not math.isnan(ratio):
            axes.plot([ratio], [at], color=colour, marker="o", markersize=5.5, clip_on=False)
        axes.annotate(_short(row.label, 26), (0, at), (-8, 0), xycoords=("axes fraction", "data"),
                      textcoords="offset points", ha="right", va="center", color=_colour("ink"), fontsize=_SMALL,
                      parse_math=False)  # fmt: skip
        told.append(f"{row.label} {row.interval.ratio:.2f}, {row.verdict}")
    return _svg(figure, name, f"Ratios of the 95th percentile. {'; '.join(told)}")


def key(name: str, look: Style) -> Markup:
    """Return a version's line and marker, for a legend."""
    figure, axes = _figure(14, left=0, right=0, top=0, bottom=0, width=34)
    axes.set_axis_off()
    axes.set_xlim(0, 34)
    axes.set_ylim(0, 14)
    axes.plot([1, 33], [7, 7], color=_colour(look.colour), linestyle=look.dashes, linewidth=2)
    axes.plot([17], [7], color=_colour(look.colour), marker=look.marker, markersize=6)
    return _svg(figure, name, None)


def _figure(
    height: float,
    *,
    left: float = 42,
    right: float = 16,
    top: float = 22,
    bottom: float = 38,
    width: float = WIDTH,
) -> tuple[Figure, Axes]:
    """Return a figure with axes at these distances from its edges, all in pixels."""
    figure = Figure(figsize=(width / _PER_INCH, height / _PER_INCH), dpi=_PER_INCH)
    FigureCanvasSVG(figure)
    axes = figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    )
    axes.set_axisbelow(True)
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(_colour("line"))
    axes.tick_params(which="both", length=0, pad=6, labelsize=_SMALL, labelcolor=_colour("muted"))
    return figure, axes


def _milliseconds(axes: Axes, limits: Limits) -> None:
    axes.set_yscale("log")
    axes.set_ylim(limits.low, limits.high)
    _log_ticks(axes, limits.low, limits.high, is_x=False, room=7)
    axes.grid(visible=True, axis="y", color=_colour("grid"), linewidth=0.8)
    axes.annotate("ms", (0, 1), (-6, 12), xycoords="axes fraction", textcoords="offset points", ha="right",
                  va="center", color=_colour("muted"), fontsize=_SMALL)  # fmt: skip


def _log_ticks(axes: Axes, low: float, high: float, *, is_x: bool, room: float) -> None:
    """Mark every digit of each decade where there is room for as many, else 1, 2 and 5, else 1 and 3, else less."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks: list[float] = []
    for steps, every in ((range(1, 10), 1), ((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3)):
        ticks = [step * 10.0**power for power in range(first, last + 1) if power % every == 0 for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= room:
            break
    axis = axes.xaxis if is_x else axes.yaxis
    axis.set_ticks(ticks, labels=[f"{tick:,.0f}" if tick >= 1 else f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def _caption(axes: Axes, text: str) -> None:
    axes.set_xlabel(text, fontsize=_SMALL, color=_colour("muted"), labelpad=4)


def _say_nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "no samples", transform=axes.transAxes, ha="center", color=_colour("muted"), fontsize=_TEXT)


def _arrow(axes: Axes, at: float, limits: Limits, colour: str) -> None:
    axes.plot([at], [limits.high], color=colour, marker="^", markersize=8, clip_on=False)


def _room(series: Sequence[Line] | Sequence[Curve]) -> float:
    """Return the pixels that the versions' names need at the right."""
    return max((len(_short(each.label)) for each in series), default=0) * _CHARACTER + 16


def _names(figure: Figure, axes: Axes, ends: Sequence[tuple[str, Style, float]], limits: Limits) -> None:
    """Put each version's name at the height where its line ends, moved apart where they would overlap."""
    pixels = axes.get_position().height * figure.get_figheight() * _PER_INCH
    span = math.log(limits.high / limits.low)
    known = [end for end in ends if not math.isnan(end[2])]
    found = sorted(known, key=lambda end: end[2])
    heights = [pixels * min(1.0, max(0.0, math.log(max(value, 1e-9) / limits.low) / span)) for _, _, value in found]
    for (label, look, _), height in zip(found, _apart(heights, pixels), strict=True):
        _name(axes, label, (1, height / pixels), (8, 0), _colour(look.colour), xycoords="axes fraction")


def _apart(heights: Sequence[float], most: float) -> list[float]:
    """Return ascending heights a line apart at least, *most* at most, otherwise near where they were."""
    found: list[float] = []
    for height in heights:
        found.append(max(height, found[-1] + _LINE) if found else height)
    above = most
    for at in range(len(found) - 1, -1, -1):
        found[at] = min(found[at], above)
        above = found[at] - _LINE
    return found


def _name(
    axes: Axes, label: str, at: tuple[float, float], offset: tuple[float, float], colour: str, **how: Any
) -> None:
    axes.annotate(_short(label), at, offset, textcoords="offset points", va="center", color=colour, fontsize=_TEXT,
                  fontweight="bold", parse_math=False, **how)  # fmt: skip


def _short(label: str, longest: int = _LONGEST) -> str:
    return label if len(label) <= longest else label[: longest - 1] + "…"


def _tail(share: float) -> float:
    return -math.log10(max(1 - share, 1e-12))


def share(part: float) -> str:
    """Return a share as per cent; what is nearly all is not rounded to all."""
    return "100 %" if part == 1 else f"{100 * part:.2g} %" if part < 0.995 else f"{100 * part:.2f} %"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _told(value: float) -> str:
    return "no answer" if math.isinf(value) else f"{_number(value)} ms"


def _colour(name: str) -> str:
    return f"{_PLACEHOLDER}{_NAMES.index(name):02x}"


_SETTINGS: Mapping[Any, Any] = {"svg.fonttype": "none", "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"]}
_LONG = re.compile(r"(\d+\.\d{2})\d+")
_FONT = re.compile(r"\s*font-family:[^;]*;?")
_TURNED = re.compile(r"rotate\(-?0(\.0)? ")


def _svg(figure: Figure, name: str, told: str | None) -> Markup:
    """Return the figure as an element of a page; *name* is not another's, *told* says what is to be seen.

    The salt makes identifiers of the name, so that the same figure is the same text.
    """
    file = io.StringIO()
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    box = root.attrib["viewBox"]
    referenced = set(re.findall(r'(?:url\(|href=")#([^")]+)', file.getvalue()))
    _clean(root, name, referenced)
    root.attrib.clear()
    root.attrib |= (
        {"viewBox": box, "role": "img", "aria-label": told} if told else {"viewBox": box, "aria-hidden": "true"}
    )
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=True))


def _clean(element: ElementTree.Element, name: str, referenced: set[str]) -> None:
    """Leave only what a page needs: no namespaces, which HTML knows; identifiers only where something refers to them.

    matplotlib numbers its identifiers anew in each drawing, and a page may have each once.
    """
    element.tag = _local(element.tag)
    for attribute, value in list(element.attrib.items()):
        del element.attrib[attribute]
        kept = _attribute(_local(attribute), value, name, referenced)
        if kept is not None:
            element.attrib[_local(attribute)] = kept
    for child in list(element):
        if _local(child.tag) in ("metadata", "style"):
            element.remove(child)
        else:
            _clean(child, name, referenced)
            if child.tag in ("g", "defs") and not len(child):
                element.remove(child)
    if element.tag != "text":
        element.text = element.tail = None
    element.tail = None


def _attribute(attribute: str, value: str, name: str, referenced: set[str]) -> str | None:
    if attribute == "id":
        return f"{name}-{value}" if value in referenced else None
    if attribute == "href":
        return f"#{name}-{value[1:]}"
    if attribute == "clip-path":
        return value.replace("#", f"#{name}-")
    if attribute == "style":
        return _FOUND.sub(lambda found: f"var(--{_NAMES[int(found[1], 16)]})", _FONT.sub("", value)).strip()
    if attribute == "transform" and _TURNED.match(value):
        return None
    return _LONG.sub(r"\1", " ".join(value.split()))


def _local(name: str) -> str:
    return name.rpartition("}")[2]

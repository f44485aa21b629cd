"""The report shows what was measured, needs nothing else, and fits and can be read in a browser."""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.core.formats import number
from orchestrator.sweep.judge.compare import Comparison, compare_finders, compare_sweeps
from orchestrator.sweep.judge.objectives import Judgement, judge, parse
from orchestrator.sweep.measure.results import PERCENTS, Cell, Results
from orchestrator.sweep.show import charts, report
from tests.support.browser import Elements, chromium
from tests.support.properties import long_if
from tests.support.sweeps import Report, block_of, made

HOSTILE = "<script>alert('x')</script> $y^2$ {{ 7 * 7 }} \"& as long as nobody would call a function"
WIDTHS = (390, 1280)
THEMES = ("light", "dark")


def unmeasured() -> Results:
    results = made(depths=(2,))
    results.cells = [Cell(cell.combination, cell.finder) for cell in results.cells]
    return results


def interrupted() -> Results:
    results = made()
    results.cells, results.interrupted = [], True
    return results


def hostile() -> Results:
    results = made((HOSTILE, f"{HOSTILE} again"), failing=0.08)
    results.environment["server"]["settings"][HOSTILE] = HOSTILE * 5
    results.cells[0].blocks[0].failures[HOSTILE] = 3
    return results


SITUATIONS: Mapping[str, Callable[[], Results]] = {
    "usual": made,
    "one finder, one depth": lambda: made(["deep_finder"], collections=(1,), depths=(2,), samples=300),
    "72 cells": lambda: made(
        ["find_paths", "deep_finder", "a.finder"], collections=(1, 63, 70), scopes=("any", "importer"),
        depths=(1, 2, 3, 4), samples=400, failing=0.06,
    ),
    "all failed": lambda: made(failing=1.1),
    "no samples": unmeasured,
    "interrupted": interrupted,
    "hostile": hostile,
}  # fmt: skip


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Report]:
    """A maker of reports by situation, each written once."""
    found: dict[str, Report] = {}

    def write(situation: str) -> Report:
        if situation not in found:
            results = SITUATIONS[situation]()
            names = list(results.finders)
            comparison = None
            if len(names) > 1 and situation != "no samples":
                comparison = compare_finders(results, names[-2], names[-1])
            judgements = judge(results, [parse("p95=5ms"), parse("p99=1s"), parse("failed=0"), parse("rate=1")])
            path = report.write(results, comparison, judgements, tmp_path_factory.mktemp("report"))
            found[situation] = Report(results, path, path.read_text(encoding="utf-8"))
        return found[situation]

    return write


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_page_needs_nothing_else(situation: str, reports: Callable[[str], Report]) -> None:
    text = reports(situation).text
    elements = Elements(text)
    assert not [tag for tag, _ in elements.found if tag in ("script", "link", "img", "iframe", "object", "base")]
    assert not [elements.values(name) for name in ("src", "href", "xlink:href", "srcset", "action") if
                elements.values(name)]  # fmt: skip
    assert "url(" not in text
    assert "@import" not in text
    policies = [given["content"] for tag, given in elements.found if tag == "meta" and "http-equiv" in given]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_table_has_every_cell_and_its_figures(situation: str, reports: Callable[[str], Report]) -> None:
    found = reports(situation)
    rows = re.findall(r'<tr data-cell="[^"]*">(.*?)</tr>', found.text)
    assert len(rows) == len(found.results.cells)
    for cell, row in zip(found.results.cells, rows, strict=True):
        figures = dict(re.findall(r'<td data-head="([^"]*)">([^<]*)</td>', row))
        assert figures["combination"] == cell.combination.name
        assert (figures["requests"], figures["timeouts"]) == (f"{cell.requests:,}", f"{cell.timeouts:,}")
        for measure, value in {f"p{each}": cell.percentile(each) for each in PERCENTS}.items():
            assert figures[measure] == number(value)
        assert figures["max"] == number(cell.longest)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_combination_and_finder_is_in_a_chart(situation: str, reports: Callable[[str], Report]) -> None:
    found = reports(situation)
    elements = Elements(found.text)
    drawn = elements.values("data-combination")
    assert sorted(drawn) == sorted(each.name for each in found.results.combinations)
    described = " ".join(elements.values("aria-label"))
    for finder in {cell.finder for cell in found.results.cells}:
        assert f"{finder}: " in described
    assert "nan" not in found.text.lower().replace("finan", "")


def test_foreign_text_stays_text(reports: Callable[[str], Report]) -> None:
    page = reports("hostile").text
    assert "<script" not in page
    assert HOSTILE in Elements(page).text


def test_the_same_results_give_the_same_page(tmp_path: Path) -> None:
    results = made(collections=(1,), depths=(2,))
    pages = [report.write(results, None, [], tmp_path).read_text(encoding="utf-8") for _ in range(2)]
    assert pages[0] == pages[1]


def header(results: Results, comparison: Comparison | None, judgements: Sequence[Judgement], path: Path) -> str:
    """The words of the page's header."""
    page = report.write(results, comparison, judgements, path).read_text(encoding="utf-8")
    return " ".join(Elements(page.partition("<header>")[2].partition("</header>")[0]).text.split())


def scale(results: Results, finder: str, depth: int, by: float) -> None:
    """Make a finder's samples at a depth those of the first finder, times something."""
    first = next(iter(results.finders))
    for cell in results.cells:
        other = results.cell(cell.combination, first)
        if cell.finder == finder and cell.combination.depth == depth and other is not None:
            cell.blocks = [block_of(one.milliseconds * by, round(len(one.milliseconds) / by)) for one in other.blocks]


def test_the_headline_names_the_slowest_combination_and_what_is_worse(tmp_path: Path) -> None:
    results = made(collections=(1,))
    scale(results, "deep_finder", 4, 0.125)
    scale(results, "deep_finder", 2, 3.0)
    comparison = compare_finders(results, "legacy_finder", "deep_finder")
    taken = comparison.cells[1].new.percentile(95)
    words = header(results, comparison, [], tmp_path)
    where = "in collection 1 (1,234 members)"
    assert f"At depth 4 {where}, deep_finder answers 95% of the requests within {number(taken)} ms;" in words
    assert re.search(r"p95 is 8 times as fast \(\S+ to \S+\)", words)
    assert f"1 of 2 combinations are worse or mixed; at depth 2 {where}, p95 takes 3 times as long" in words
    assert "deep_finder against legacy_finder: mixed: 1 better, 1 worse" in words


def test_a_finder_compared_with_itself_shows_the_noise(tmp_path: Path) -> None:
    results = made()
    results.finders = dict.fromkeys(results.finders, "SELECT 1")
    comparison = compare_finders(results, "legacy_finder", "deep_finder")
    words = header(results, comparison, [], tmp_path)
    assert "legacy_finder was compared with itself: a p95 that differs by less than" in words


def test_two_sweeps_are_named_by_when_they_began(tmp_path: Path) -> None:
    base, new = made(["deep_finder"]), made(["deep_finder"])
    base.started = "2026-11-01T08:00:00+00:00"
    comparison = compare_sweeps(base, new)
    words = header(new, comparison, [], tmp_path)
    assert f"2026-11-22T13:56:59+00:00 against 2026-11-01T08:00:00+00:00: {comparison.summary}" in words


@pytest.mark.parametrize(
    ("situation", "sentence"),
    [
        ("usual", "the slowest combination, legacy_finder answers 95% of the requests within "),
        ("one finder, one depth", "At depth 2 in collection 1 (1,234 members), the slowest combination, deep_finder"),
        ("hostile", "leaves more than 5% of the requests without an answer"),
        ("all failed", "None of 9,600 requests was answered."),
        ("no samples", "Nothing was measured."),
        ("interrupted", "Nothing was measured."),
    ],
)
def test_without_a_comparison_the_headline_is_of_the_slowest(situation: str, sentence: str, tmp_path: Path) -> None:
    assert sentence in header(SITUATIONS[situation](), None, [], tmp_path)


@pytest.mark.parametrize(
    ("met", "words"),
    [
        ([True, True], "p95=5ms met met by all 2 cells"),
        ([True, False, None], "p95=5ms missed MISSED by 1 of 3 cells"),
        ([True, None], "p95=5ms undecided too few samples"),
    ],
)
def test_an_objective_is_met_only_when_every_cell_meets_it(
    met: Sequence[bool | None], words: str, tmp_path: Path
) -> None:
    judgements = [Judgement("p95=5ms", f"cell {number}", 4.0, each) for number, each in enumerate(met)]
    assert words in header(made(collections=(1,), depths=(2,)), None, judgements, tmp_path)


def test_a_curve_is_of_every_sample_and_shows_requests_without_an_answer() -> None:
    samples = np.append(np.arange(1.0, 1000.0), math.inf)
    drawn = charts.distribution({"v": samples}, charts.Scale.of(list(samples)), 1000)
    assert "1,000 requests, slowest answer 999 ms, 0.10% without an answer" in drawn
    points = charts.curve(np.sort(samples[:-1]), 1000)
    for share, value in points:
        assert value == samples[round(1000 * share)]
    assert (points[0][1], points[-1][1]) == (1, 999)
    assert 'class="finder-0 none"' in drawn  # the triangle


def test_the_command_line_starts_without_the_libraries_of_a_sweep() -> None:
    code = "import sys, orchestrator.cli; sys.exit('numpy' in sys.modules or 'jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", range(2), ids=THEMES)
def test_colours_can_be_read(theme: int) -> None:
    for name, colours in report.COLOURS.items():
        if name not in ("page", "panel", "line"):
            for behind in ("page", "panel"):
                assert contrast(colours[theme], report.COLOURS[behind][theme]) >= 4.5, name


# In a browser.


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


#: For each chart that is shown: its scale, and how far its words are from the edges of the figure.
CHARTS = """() => [...document.querySelectorAll('figure > svg')].filter((svg) => svg.checkVisibility()).map((svg) => {
    const box = svg.getBoundingClientRect(), figure = svg.parentElement.getBoundingClientRect();
    return {
        scale: box.width / svg.viewBox.baseVal.width,
        marks: svg.querySelectorAll('polyline, circle, path').length,
        words: [...svg.querySelectorAll('text')].map((text) => text.getBoundingClientRect())
            .map((text) => Math.min(text.left - figure.left, figure.right - text.right)),
    };
})"""


@pytest.mark.parametrize("situation", long_if(lambda situation: situation != "hostile", SITUATIONS))
def test_a_browser_shows_it_at_any_width_in_both_themes(
    situation: str, browser: Any, reports: Callable[[str], Report]
) -> None:
    path = reports(situation).path.as_uri()
    page = browser.new_page()
    requested: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(path)
    backgrounds = set()
    for is_open in (False, True):
        if is_open:
            page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        for width, theme in itertools.product(WIDTHS, THEMES):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=theme)
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width
            backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            for chart in page.evaluate(CHARTS):
                assert chart["scale"] >= 0.8, "the text is too small"
                assert min(chart["words"]) >= -4, "a word does not fit"
                assert chart["marks"] > 0 or situation == "no samples"
    page.close()
    assert backgrounds == {"rgb(253, 253, 251)", "rgb(20, 22, 26)"}
    assert requested == [path]
    assert complaints == []

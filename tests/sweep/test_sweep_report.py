"""The report's page: what it says is what was measured, it needs nothing else, and a browser shows it to everybody."""

from __future__ import annotations

import io
import itertools
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from PIL import Image

from orchestrator.sweep import charts, compare, report
from orchestrator.sweep.load import Answers
from orchestrator.sweep.matrix import COLD, WARM, requests
from orchestrator.sweep.objectives import Judged, judge, parse
from orchestrator.sweep.observed import Counters, Executions
from orchestrator.sweep.parity import Parity
from orchestrator.sweep.results import PERCENTS, Cell, Options, Results
from orchestrator.sweep.targets import Target

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = "<script>alert('x')</script> $y^2$ {{ 7 * 7 }} \"& as long as nobody would call a function"
WIDTHS = (390, 1280)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def made(
    versions: Sequence[str] = ("v2", "v3"),
    *,
    collections: Sequence[int] = (1, 63),
    scopes: Sequence[str] = ("any",),
    depths: Sequence[int] = (2, 4),
    paths: Sequence[int] = (25,),
    caches: Sequence[str] = (WARM,),
    samples: int = 1200,
    failing: float = 0.0,
) -> Results:
    """A sweep that nobody did: lognormal with a tail, slower with depth; ``failing`` is a share of all requests."""
    generator = np.random.default_rng(7)
    asked = requests(collections, scopes, depths, paths, caches)
    targets = [
        Target(100 + number, 9, degree, 10 * number, distance)
        for number, (degree, distance) in enumerate([("few", 1), ("hub", 2), ("hub", None), ("none", None)] * 3)
    ]

    def block(median: float, connects: bool) -> Answers:
        taken = generator.lognormal(math.log(median), 0.5, samples // 4)
        taken[generator.random(len(taken)) < 0.01] *= 10
        taken[generator.random(len(taken)) < failing] = math.inf
        missing = int(np.isinf(taken).sum())
        reasons = {"statement timeout": missing} if missing else {}
        connecting = np.full(len(taken), 1.25) if connects else None
        return Answers(1.0, taken, connecting, len(taken) - missing, missing, 0, reasons)

    return Results(
        started="2026-11-22T13:56:59+00:00",
        options=Options(1, 4, 4.0, 4, 1.0, None, 2.0, 15),
        versions={version: f"SELECT * FROM finder($1) -- {version}" for version in versions},
        environment={
            "server": {
                "version": "18.6",
                "standby": False,
                "database_bytes": 216_815_295,
                "other_active_sessions": 0,
                "extensions": None,
                "settings": {"work_mem": "64MB", "jit": "on"},
            },
            "client": {"processor": "a", "cores": 2, "load_before": 0.1, "memory_bytes": 2**34, "commit": None},
            "relations": [
                {"relation": "contacts", "definition": None, "bytes": 1_089_536, "rows": 20_000, "visible": 1.0},
                {
                    "relation": "idx",
                    "definition": "CREATE INDEX idx ON x (y)",
                    "bytes": 5,
                    "rows": None,
                    "visible": None,
                },
            ],
        },
        members=dict.fromkeys(collections, 1234),
        targets={(collection, scope): targets for collection in collections for scope in scopes},
        parity={
            request: Parity(12, 0, dict.fromkeys(versions, 40), dict.fromkeys(versions, "8d7d1d1b1088d618"))
            for request in asked
        },
        overhead={WARM: Cell(asked[0], "nothing", [block(0.01, False)])},
        references={request: Cell(request, "reference", [block(0.2, False) for _ in range(4)]) for request in asked},
        cells=[
            Cell(
                request,
                version,
                [block(0.4 * (4.0 - number) ** (request.depth / 2), request.cache == COLD) for _ in range(4)],
                Counters(9_000, 1_000, 2_400),
                Executions("pg_stat_statements", samples, 0.25, 98.5),
            )
            for request in asked
            for number, version in enumerate(versions)
        ],
        seconds=92.0,
    )


def unmeasured() -> Results:
    results = made(depths=(2,))
    results.cells = [Cell(cell.request, cell.version) for cell in results.cells]
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
    "one version, one depth": lambda: made(["v3"], collections=(1,), depths=(2,), samples=300),
    "one depth": lambda: made(["v1", "v2", "v3"], depths=(2,), caches=(WARM, COLD)),
    "144 cells": lambda: made(
        ["v1", "v2", "v3"], collections=(1, 63, 70), scopes=("any", "importer"), depths=(1, 2, 3, 4), paths=(25, 100),
        samples=400, failing=0.06,
    ),
    "all failed": lambda: made(failing=1.1),
    "no samples": unmeasured,
    "interrupted": interrupted,
    "hostile": hostile,
}  # fmt: skip


@dataclass(frozen=True)
class Written:
    results: Results
    path: Path
    text: str


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Written]:
    """A maker of pages by situation, each written once."""
    found: dict[str, Written] = {}

    def write(situation: str) -> Written:
        if situation not in found:
            results = SITUATIONS[situation]()
            labels = list(results.versions)
            comparison = (
                compare.versions(results, labels[-2], labels[-1])
                if len(labels) > 1 and situation != "no samples"
                else None
            )
            judged = judge(results, [parse("p95=5ms"), parse("p99=1s"), parse("failed=0"), parse("rate=1")])
            path = report.write(results, comparison, judged, tmp_path_factory.mktemp("report"))
            found[situation] = Written(results, path, path.read_text(encoding="utf-8"))
        return found[situation]

    return write


class Elements(HTMLParser):
    """The elements of a page with their attributes; the figures of its table of cells; its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.figures: dict[str, dict[str, str]] = {}
        self.text = ""
        self._cell: str | None = None
        self._measure: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag == "tr":
            self._cell = given.get("data-cell")
        if tag == "td":
            self._measure = given.get("data-measure")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._measure = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell and self._measure:
            figures = self.figures.setdefault(self._cell, {})
            figures[self._measure] = figures.get(self._measure, "") + data


@pytest.mark.parametrize("situation", SITUATIONS)
def test_nothing_outside_the_page_is_needed(situation: str, written: Callable[[str], Written]) -> None:
    page = written(situation).text
    elements = Elements(page).elements
    assert not [tag for tag, _ in elements if tag in ("script", "link", "img", "iframe", "object", "base")]
    references = [
        given[name]
        for _, given in elements
        for name in ("src", "href", "xlink:href", "srcset", "action")
        if name in given
    ]
    assert references
    assert all(reference is not None and reference.startswith("#") for reference in references)
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)\)", page))
    assert "@import" not in page
    policies = [given["content"] for tag, given in elements if tag == "meta" and "http-equiv" in given]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_identifiers_are_unique_and_references_lead_somewhere(
    situation: str, written: Callable[[str], Written]
) -> None:
    page = written(situation).text
    elements = Elements(page).elements
    identifiers = [given["id"] for _, given in elements if "id" in given]
    assert len(identifiers) == len(set(identifiers))
    wanted = {(given["href"] or "")[1:] for _, given in elements if "href" in given}
    assert wanted | set(re.findall(r"url\(#([^)]*)\)", page)) <= set(identifiers)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_table_has_every_cell_and_its_figures(situation: str, written: Callable[[str], Written]) -> None:
    found = written(situation)
    figures = Elements(found.text).figures
    assert list(figures) == [cell.name for cell in found.results.cells]
    for cell in found.results.cells:
        row = figures[cell.name]
        assert row["requests"] == f"{cell.requests:,}"
        assert row["timeouts"] == f"{cell.timeouts:,}"
        wanted = {f"p{percent}": cell.percentile(percent) for percent in PERCENTS} | {"max": cell.longest}
        for measure, value in wanted.items():
            if value is None:
                assert row[measure] == "–"
            elif math.isinf(value):
                assert row[measure] == "no answer"
            else:
                assert float(row[measure].replace(",", "")) == pytest.approx(value, rel=0.005)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_request_and_version_has_its_charts(situation: str, written: Callable[[str], Written]) -> None:
    found = written(situation)
    elements = Elements(found.text).elements
    drawn = [given["data-request"] for _, given in elements if "data-request" in given]
    assert sorted(map(str, drawn)) == sorted(request.name for request in found.results.requests)
    told = " ".join(given["aria-label"] or "" for tag, given in elements if tag == "svg" and "aria-label" in given)
    for version in {cell.version for cell in found.results.cells}:
        assert f"{version}: " in told
    assert not re.search(r"#a0b0[0-9a-f]{2}", found.text), "a colour is left that is no property of the page"


def test_what_others_wrote_is_only_text(written: Callable[[str], Written]) -> None:
    page = written("hostile").text
    assert "<script" not in page
    assert HOSTILE in Elements(page).text


def test_writing_again_gives_the_same_page(tmp_path: Path) -> None:
    results = made(collections=(1,), depths=(2,))
    pages = [report.write(results, None, [], tmp_path).read_text(encoding="utf-8") for _ in range(2)]
    assert pages[0] == pages[1]


def headline(results: Results, comparison: compare.Comparison | None, judged: Sequence[Judged], path: Path) -> str:
    """What the page says before its first figures."""
    page = report.write(results, comparison, judged, path).read_text(encoding="utf-8")
    text = Elements(page.partition("<header>")[2].partition("<dl")[0]).text
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


def scaled(results: Results, version: str, depth: int, by: float) -> None:
    """Make a version's samples at a depth those of the first version, times something."""
    first = next(iter(results.versions))
    for cell in results.cells:
        other = results.cell(cell.request, first)
        if cell.version == version and cell.request.depth == depth and other is not None:
            cell.blocks = [
                Answers(1.0, one.milliseconds * by, None, round(len(one.milliseconds) / by), 0, 0, {})
                for one in other.blocks
            ]


def test_the_headline_is_of_the_slowest_request_and_says_what_got_worse(tmp_path: Path) -> None:
    results = made(collections=(1,))
    scaled(results, "v3", 4, 0.125)
    scaled(results, "v3", 2, 3.0)
    comparison = compare.versions(results, "v2", "v3")
    taken = comparison.cells[1].new.percentile(95)
    assert taken is not None
    said = headline(results, comparison, [], tmp_path)
    where = "in collection 1 (1,234 members)"
    assert f"At depth 4 {where}, v3 answers 95 % of requests within {taken:.2g} ms, 8.0 times as fast" in said
    assert f"It is worse in 1 of 2: at depth 2 {where}, p95 takes 3.0 times as long (3.0 to 3.0)." in said
    assert "v3 against v2 is mixed: 1 better, 1 worse" in said


def test_a_version_compared_with_itself_tells_the_noise(tmp_path: Path) -> None:
    results = made()
    results.versions = dict.fromkeys(results.versions, "SELECT 1")
    comparison = compare.versions(results, "v2", "v3")
    said = headline(results, comparison, [], tmp_path)
    assert f"v2 was compared with itself: here, a p95 that differs by less than {100 * comparison.noise:.0f} %" in said


def test_two_sweeps_are_called_by_when_they_began(tmp_path: Path) -> None:
    base, new = made(["v3"]), made(["v3"])
    base.started = "2026-11-01T08:00:00+00:00"
    comparison = compare.sweeps(base, new)
    said = headline(new, comparison, [], tmp_path)
    assert f"22 November 2026, 13:56 UTC against 1 November 2026, 08:00 UTC is {comparison.told}" in said
    assert "the sweep of 1 November 2026, 08:00 UTC" in said


@pytest.mark.parametrize(
    ("situation", "said"),
    [
        ("usual", "95 % of requests are answered by v3 within "),
        ("one version, one depth", "At depth 2 in collection 1 (1,234 members), v3 answers 95 % of requests within "),
        ("hostile", "more than 5 % of requests have no answer from "),
        ("all failed", "None of 9,600 requests was answered."),
        ("no samples", "Nothing was measured."),
        ("interrupted", "Nothing was measured."),
    ],
)
def test_without_a_comparison_the_headline_is_of_what_there_is(situation: str, said: str, tmp_path: Path) -> None:
    assert said in headline(SITUATIONS[situation](), None, [], tmp_path)


@pytest.mark.parametrize(
    ("met", "said"),
    [
        ([True, True], "Objectives: 1 of 1 met"),
        ([True, False, None], "Objectives: 1 of 1 missed"),
        ([True, None], "Objectives: 1 of 1 cannot be told"),
    ],
)
def test_an_objective_is_met_only_where_every_cell_meets_it(
    met: Sequence[bool | None], said: str, tmp_path: Path
) -> None:
    judged = [Judged("p95=5ms", f"cell {number}", 4.0, each) for number, each in enumerate(met)]
    assert said in headline(made(collections=(1,), depths=(2,)), None, judged, tmp_path)


def test_a_curve_is_of_every_sample_and_tells_those_without_an_answer() -> None:
    samples = np.append(np.arange(1.0, 1000.0), math.inf)
    drawn = charts.distribution(
        "x", [charts.Curve("v", charts.style(0), samples)], charts.Limits.of(list(samples)), 1000
    )
    assert "1,000 requests, slowest answer 999 ms, 0.1 % without an answer" in drawn
    assert "0.1 % no answer" in drawn
    places, values = charts._steps(np.sort(samples[:-1]), 1000)
    for place, value in zip(places, values, strict=True):
        share = 1 - 10**-place
        assert value == samples[round(1000 * share)]
    assert (values[0], values[-1]) == (1, 999)


def test_the_command_line_does_without_the_plotting_library() -> None:
    code = "import sys, orchestrator.cli; sys.exit('matplotlib' in sys.modules or 'jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", range(2), ids=THEMES)
@pytest.mark.parametrize(
    "name", [name for name in charts.COLOURS if name not in ("page", "panel", "line", "grid", "heat")]
)
def test_colours_can_be_read(name: str, theme: int) -> None:
    for behind in ("page", "panel"):
        assert contrast(charts.COLOURS[name][theme], charts.COLOURS[behind][theme]) >= 4.5


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("neither chromium nor google-chrome is on the path")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Shown:
    page: Page
    requested: list[str]
    complaints: list[str]


@pytest.fixture
def show(browser: Browser, written: Callable[[str], Written]) -> Iterator[Callable[[str, int, Any], Shown]]:
    """A maker of pages in the browser: a situation at a width in a theme."""
    pages = []

    def show(situation: str, width: int, theme: Any) -> Shown:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        pages.append(page)
        shown = Shown(page, [], [])
        page.on("request", lambda request: shown.requested.append(request.url))
        page.on("console", lambda message: shown.complaints.append(message.text))
        page.on("pageerror", lambda error: shown.complaints.append(str(error)))
        page.goto(written(situation).path.as_uri())
        return shown

    yield show
    for page in pages:
        page.close()


def opened(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_browser_shows_it_at_any_width_and_asks_for_nothing(
    situation: str, show: Callable[[str, int, Any], Shown], written: Callable[[str], Written]
) -> None:
    shown = show(situation, WIDTHS[0], THEMES[0])
    page = shown.page
    for is_opened in (False, True):  # as it comes, and with everything opened
        if is_opened:
            opened(page)
        for width, theme in itertools.product(WIDTHS, THEMES):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=theme)
            extent = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
            assert extent[0] <= extent[1] == width
    assert shown.requested == [written(situation).path.as_uri()]
    assert shown.complaints == []


CHARTS = """() => [...document.querySelectorAll('figure > svg')].map((svg) => {
    const box = svg.getBoundingClientRect(), figure = svg.parentElement.getBoundingClientRect();
    return {
        scale: box.width / svg.viewBox.baseVal.width,
        height: box.height,
        marks: svg.querySelectorAll('path, use').length,
        words: [...svg.querySelectorAll('text')].map((text) => text.getBoundingClientRect())
            .map((text) => [text.left - figure.left, figure.right - text.right]),
    };
})"""


@pytest.mark.parametrize("situation", ["usual", "one depth", "all failed", "hostile"])
def test_charts_are_there_and_their_words_can_be_read(situation: str, show: Callable[[str, int, Any], Shown]) -> None:
    page = show(situation, WIDTHS[0], "light").page
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found = page.evaluate(CHARTS)
        assert len(found) >= 3
        for chart in found:
            assert chart["scale"] >= 0.9, "its text is too small"
            assert chart["height"] > 20
            assert chart["marks"] > 2
            assert chart["words"]
            assert min(map(min, chart["words"])) >= -4, "a word does not fit"


CONTRASTS = """() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const luminance = (colours) => {
        context.clearRect(0, 0, 1, 1);
        for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
        const parts = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const known = new Map();
    for (const element of document.querySelectorAll('body *')) {
        const has_text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!has_text || !element.getClientRects().length) continue;
        const behind = [];
        for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
        const style = getComputedStyle(element);
        const colour = element.ownerSVGElement ? style.fill : style.color;
        const key = [...behind, colour].join();
        if (known.has(key)) continue;
        const [dark, light] = [luminance(behind), luminance([...behind, colour])].sort((one, other) => one - other);
        known.set(key, [(light + 0.05) / (dark + 0.05), element.textContent.trim().slice(0, 40)]);
    }
    return [...known.values()].sort((one, other) => one[0] - other[0]);
}"""


@pytest.mark.parametrize("situation", ["usual", "one depth", "hostile"])
def test_text_has_contrast(situation: str, show: Callable[[str, int, Any], Shown]) -> None:
    page = show(situation, 1280, THEMES[0]).page
    opened(page)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        found = page.evaluate(CONTRASTS)
        assert len(found) > 10
        assert found[0][0] >= 4.5, found[0]


def picture(page: Page) -> Any:
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"), dtype=np.float64)


@pytest.mark.parametrize("width", WIDTHS)
def test_both_themes_are_drawn_and_differ(width: int, show: Callable[[str, int, Any], Shown]) -> None:
    light, dark = (picture(show("one version, one depth", width, theme).page) for theme in THEMES)
    assert light.std() > 10
    assert dark.std() > 10
    assert light.mean() > 200
    assert dark.mean() < 60


@pytest.mark.parametrize("theme", THEMES)
def test_the_reader_can_choose_the_other_theme(theme: str, show: Callable[[str, int, Any], Shown]) -> None:
    page = show("one version, one depth", 390, theme).page
    before = picture(page).mean()
    other = next(each for each in THEMES if each != theme)
    page.check(f"#theme-{other}")
    assert abs(picture(page).mean() - before) > 100
    page.check("#theme-auto")
    assert abs(picture(page).mean() - before) < 5

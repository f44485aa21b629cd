"""The playground in Chromium: by keyboard, without a script, at any width, in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.browser import chromium
from tests.support.playground import ASK, BESIDE, IMAGE, PAGES
from tests.support.properties import first_of

LABEL_SEEN = "getComputedStyle(document.activeElement.querySelector('.label')).visibility === 'visible'"
DARKNESS = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((part) => part < 128)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@contextmanager
def visit(browser: Any, url: str, **options: Any) -> Iterator[Any]:
    """A tab. At its end, it has sent requests only to the playground, without an error of its script or policy."""
    context = browser.new_context(**options)
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("console", lambda line: wrong.extend([line.text] * ("status of" not in line.text)))
    try:
        yield page
        assert asked
        assert {urlsplit(each).netloc for each in asked} == {urlsplit(url).netloc}
        assert wrong == []
        assert context.cookies() == []
    finally:
        context.close()


def test_from_a_name_to_a_graph_by_keyboard_alone(browser: Any, url: str) -> None:
    with visit(browser, url, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.goto(url)
        keyboard = page.keyboard
        for _ in range(9):
            keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "target":
                break
        keyboard.type("cleo")
        page.wait_for_selector("#target-found [role=option]")
        keyboard.press("ArrowDown")
        active = page.get_attribute("#target", "aria-activedescendant")
        assert page.inner_text(f"#{active} span") == "Cleo Target"
        assert page.get_attribute(f"#{active}", "aria-selected") == "true"
        keyboard.press("Enter")
        assert page.get_attribute("#target", "aria-expanded") == "false"
        for field, expected in (("collection", "9"), ("viewer", "8")):
            keyboard.press("Tab")
            keyboard.press("ArrowDown")
            page.wait_for_selector(f"#{field}-found [role=option]")
            keyboard.press("ArrowDown")
            keyboard.press("Enter")
            assert page.input_value(f"#{field}") == expected
        keyboard.press("Enter")
        page.wait_for_selector(".card")
        assert "target=4&" in page.url
        assert page.inner_text("h1") == "3 paths to Cleo Target"
        assert page.input_value("#target") == "Cleo Target"
        assert page.locator("svg .node").count() == 5
        assert page.text_content("svg .node.target text") == "Cleo Target"

        page.focus("svg .tie")
        labels = set()
        for _ in range(page.locator("svg .tie").count()):
            labels.add(page.text_content(".tie:focus .label text"))
            assert page.evaluate(LABEL_SEEN)
            keyboard.press("ArrowRight")
        assert any(f"have overlapped at {IMAGE} since 2015" in label for label in labels)
        page.focus(".card .copy")
        keyboard.press("Enter")
        page.wait_for_selector(".copy.done")
        assert page.evaluate("navigator.clipboard.readText()").startswith("You → ")
        for _ in range(40):  # nothing holds the focus
            keyboard.press("Tab")
            if page.evaluate("document.activeElement.tagName") == "SUMMARY":
                break
        keyboard.press("Enter")
        keyboard.press("Escape")


def test_a_typed_name_is_searched_when_no_contact_was_chosen(browser: Any, url: str) -> None:
    with visit(browser, url) as page:
        page.goto(url + ASK)
        page.focus("#target")
        page.keyboard.type("ana")
        page.keyboard.press("Enter")
        page.wait_for_selector(".examples")
        assert page.inner_text(".examples strong") == "Ana Silva"
        page.goto(f"{url}/?target={BESIDE}&collection=9&viewer=7")
        page.keyboard.press("Tab")
        page.focus("#collection")
        page.fill("#collection", "10")
        page.focus("#viewer")
        page.fill("#viewer", "")
        page.keyboard.press("ArrowDown")
        page.wait_for_selector("#viewer-found [role=option]")
        assert page.locator("#viewer-found [role=option]").all_inner_texts() == ["7"]  # of the collection now typed


def test_a_running_search_and_the_chosen_path_are_shown(browser: Any, url: str) -> None:
    with visit(browser, url) as page:
        page.goto(url + ASK)
        page.hover(".card >> nth=2")
        assert page.locator(".graph.chosen .line.on").count() == 3
        assert sorted(page.locator(".node.on title").all_text_contents()) == [
            "Ana Silva", "Ben Ode", "Cleo Target", "You",
        ]  # fmt: skip
        page.hover("h1")
        assert page.locator(".on").count() == 0
        assert page.locator(".waiting:visible").count() == 0
        page.evaluate("document.forms[0].addEventListener('submit', (event) => event.preventDefault())")
        page.click("text=Find paths")
        assert page.inner_text(".waiting").startswith("Searching…")
        assert page.get_attribute("form", "aria-busy") == "true"
        assert page.is_disabled("button[type=submit]")


def test_without_a_script(browser: Any, url: str) -> None:
    with visit(browser, url, java_script_enabled=False) as page:
        page.goto(url)
        page.fill("#target", "cleo")
        page.fill("#collection", "9")
        page.fill("#viewer", "7")
        page.select_option("#depth", "4")
        page.press("#viewer", "Enter")
        page.click("text=Cleo Target")
        assert page.inner_text("h1") == "3 paths to Cleo Target"
        assert "depth=4" in page.url
        assert page.locator(".copy:visible").count() == 0
        assert page.locator("svg .tie").count() == 6
        page.click("text=The answer as JSON")
        assert page.locator("pre >> text=user_ids").count() == 1
        page.click("text=Explain it")
        assert page.inner_text("h1") == "How PostgreSQL answers"


def check_that_it_fits(page: Any, name: str) -> None:
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.parametrize("scheme", first_of(2, ["light", "dark"]))
def test_every_page_fits_in_both_themes(browser: Any, url: str, scheme: str) -> None:
    with visit(browser, url, viewport={"width": 390, "height": 844}, color_scheme=scheme) as page:
        for name, path in PAGES.items():
            page.goto(url + path)
            check_that_it_fits(page, name)
            assert page.evaluate("document.querySelectorAll('h1').length") == 1, name
            dark = page.evaluate(DARKNESS)
            assert dark == (scheme == "dark"), name
        page.goto(url + ASK)
        for field in ("target", "collection", "viewer"):
            page.fill(f"#{field}", "cleo" if field == "target" else "9" if field == "collection" else "")
            page.click(f"#{field}")
            page.wait_for_selector(f"#{field}-found [role=option]")
            check_that_it_fits(page, field)
        page.goto(url)
        page.check(f"text={'Light' if scheme == 'dark' else 'Dark'}")
        page.goto(url + ASK)
        assert page.evaluate(DARKNESS) == (scheme == "light")  # chosen, and remembered

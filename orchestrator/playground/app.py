"""The pages of the playground: what each address shows. Every request is a GET."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from orchestrator.core.formats import milliseconds
from orchestrator.core.text import printable
from orchestrator.finders.teams import COUNTED
from orchestrator.host.uuid_keys import number_of
from orchestrator.playground import answer, form
from orchestrator.playground.database import ANSWER_MS, FOUND_SHOWN, Database
from orchestrator.playground.form import Form
from orchestrator.playground.guard import Guard
from orchestrator.playground.trouble import Trouble

#: Host names under which the playground is asked; a request with another name comes from another site's page.
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")

_HERE = Path(__file__).parent
_SHORTEST_NAME = 2  # letters that are searched for while a person types
#: Limits that the pages mention.
_LIMITS = {"members_counted": COUNTED, "contacts_found": FOUND_SHOWN, "answer_seconds": ANSWER_MS // 1000}
_NO_CHOICES: Mapping[str, Any] = {"collections": (), "users": ()}


def create(dsn: str, names: Sequence[str] = LOCAL_NAMES) -> ASGIApp:
    """Return the application for the database of *dsn*, which answers requests to a host of these *names*."""
    database = Database(dsn)
    pages = _Pages(database)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(database.close)

    app = Starlette(
        routes=[
            Route("/", pages.paths, name="paths"),
            Route("/plan", pages.plan, name="plan"),
            Route("/find/contacts", pages.find_contacts),
            Route("/find/users", pages.find_users),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(names), www_redirect=False)],
        exception_handlers={404: pages.not_found},
        lifespan=lifespan,
    )
    return Guard(app)


class _Pages:
    """The pages. Starlette runs the methods in threads, because they wait for the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_harmless,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def paths(self, request: Request) -> Response:
        """Show the form, and the answer to its question."""
        begun = time.perf_counter()
        asked, trouble = self._asked(request)
        status, state = 200, "welcome"
        shown: dict[str, Any] = {}
        try:
            if trouble is not None:
                raise trouble
            if asked.errors:
                status, state = 400, "errors"
            elif asked.question is not None:
                found = self._database.answer(asked.question)
                state, shown = "answer", answer.page(asked, asked.question, found)
            elif asked.name is not None:
                state, shown = "matches", {"found": self._database.contacts(asked.name)}
            else:
                shown["examples"] = self._database.examples()
        except Trouble as met:
            status, state, trouble = met.status, "trouble", met
        shown |= {"state": state, "trouble": trouble, **(_NO_CHOICES if status == 503 else self._choices(asked))}
        shown["total"] = milliseconds((time.perf_counter() - begun) * 1e3)
        return self._page("paths.html.j2", asked, status, shown)

    def plan(self, request: Request) -> Response:
        """Show how the database answers the question."""
        asked, trouble = self._asked(request)
        status = 200 if trouble is None else trouble.status
        shown: dict[str, Any] = {"trouble": trouble, "plan": None, "call": None}
        if trouble is None and asked.question is None:
            reason = " ".join(asked.errors.values()) or "Ask a question on the first page, then explain it."
            status, shown["trouble"] = 400, Trouble(400, "No question to explain", reason)
        elif asked.question is not None:
            shown["call"] = answer.call(asked.question, self._database.schema)
            try:
                shown["plan"] = self._database.plan(asked.question)
            except Trouble as met:
                status, shown["trouble"] = met.status, met
        return self._page("plan.html.j2", asked, status, shown)

    def find_contacts(self, request: Request) -> Response:
        """Return contacts whose name or id a person is typing."""
        text = request.query_params.get("q", "").strip()
        is_number = form.is_number(text)
        if "\0" in text or len(text) > form.LONGEST_SEARCH or (is_number and number_of(text) is None):
            return JSONResponse({"error": "This is neither a name nor an id."}, 400)
        if not is_number and len(text) < _SHORTEST_NAME:
            return JSONResponse({"found": []})

        def found() -> Iterator[dict[str, str]]:
            ((_, wanted),) = self._with_numbers([("target", text)])
            number = number_of(wanted)
            for each in self._database.contacts(wanted) if number is None else self._database.contact(number):
                name = each.name or f"contact {each.contact_id}"
                yield {"value": str(each.contact_id), "name": name, "note": each.organization or ""}

        return _json(found())

    def find_users(self, request: Request) -> Response:
        """Return users of a collection."""
        given = [("collection", request.query_params.get("collection", "").strip())]
        if number_of(given[0][1]) is None and not form.uuids(given):
            return JSONResponse({"error": "Choose a collection first."}, 400)

        def found() -> Iterator[dict[str, str]]:
            collection = number_of(self._with_numbers(given)[0][1])
            for each in [] if collection is None else self._database.users(collection):
                yield {"value": str(each.user_id), "name": str(each.user_id), "note": each.name or ""}

        return _json(found())

    def not_found(self, _: Request, __: Exception) -> Response:
        """Show that the address has no page."""
        trouble = Trouble(404, "Page not found", "There is no page at this address.")
        return self._page("plan.html.j2", form.read([]), 404, {"trouble": trouble, "plan": None, "call": None})

    def _asked(self, request: Request) -> tuple[Form, Trouble | None]:
        """Read an address, with numbers instead of uuids; also return what kept the database from giving them."""
        pairs = request.query_params.multi_items()
        try:
            return form.read(self._with_numbers(pairs)), None
        except Trouble as trouble:
            return replace(form.read(pairs), errors={}, question=None), trouble

    def _with_numbers(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the parameters of an address with the numbers that their uuids stand for."""
        given = form.uuids(pairs)
        return form.with_numbers(pairs, self._database.numbers(given) if given else {})

    def _choices(self, asked: Form) -> dict[str, Any]:
        """Return what the form offers to choose from; when the database fails, ids can still be typed."""
        shown = dict(_NO_CHOICES)
        with suppress(Trouble):
            shown["collections"] = self._database.collections()
            collection = number_of(asked.values["collection"])
            if collection is not None:
                shown["users"] = self._database.users(collection)
        return shown

    def _page(self, template: str, asked: Form, status: int, shown: Mapping[str, Any]) -> Response:
        text = self._templates.get_template(template).render(
            asked=asked,
            fields=form.FIELDS,
            limits=_LIMITS,
            **{"title": None, "target_name": None, **shown},
        )
        return HTMLResponse(text, status, {"Retry-After": "2"} if status == 503 else None)


def _harmless(value: Any) -> Any:
    """Escape control characters of a value, and characters that reorder a line."""
    return printable(value, keep="\n\t") if type(value) is str else value


def _json(found: Iterator[dict[str, str]]) -> Response:
    try:
        return JSONResponse({"found": list(found)})
    except Trouble as trouble:
        reason = f"{trouble.title}. {trouble.hint or trouble.reason}"
        if trouble.status == 504:
            reason = "The search by name took too long, because no index supports it. Type an id instead."
        return JSONResponse({"error": reason}, trouble.status)

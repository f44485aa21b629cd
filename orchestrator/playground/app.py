"""The playground's pages: what each address shows. Only GET, nothing is kept between requests but connections."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.core.text import printable, shortened
from orchestrator.finders import reasons
from orchestrator.playground import form, questions, words
from orchestrator.playground.form import Asked
from orchestrator.playground.pictures import picture
from orchestrator.playground.questions import Answer, Questions
from orchestrator.playground.trouble import Trouble

#: What the address may be called by whoever asks; another name means that somebody else's page asks.
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")

_HERE = Path(__file__).parent
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SHORTEST_NAME = 2  # letters, of a search while somebody types
_DOCUMENT_CHARACTERS = 200_000  # a path names every user who can begin it, and a collection may have any number
#: How to name what ``reasons.remedies`` suggests.
_REMEDIES: Mapping[str, str] = {
    "depth": "Look one step further",
    "impl": "Ask version v2",
    "scope": "Let anybody on the team begin",
}
_WIDE = 5  # columns of a drawing that wants the page's whole width


def create(dsn: str, names: Sequence[str] = LOCAL_NAMES) -> ASGIApp:
    """Make the application that asks the database of *dsn*, for requests to a host of these *names*."""
    asking = Questions(dsn)
    pages = _Pages(asking)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(asking.close)

    app = Starlette(
        routes=[
            Route("/", pages.paths, name="paths"),
            Route("/plan", pages.plan, name="plan"),
            Route("/find/contacts", pages.find_contacts),
            Route("/find/users", pages.find_users),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(names), www_redirect=False)],
        exception_handlers={404: pages.nothing_here},
        lifespan=lifespan,
    )
    return _Guard(app)


class _Guard:
    """Outside of all else: headers that every answer bears, and no answers to the pages of others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith("/static/") else "no-store")
            await send(message)

        asked = Headers(scope=scope)
        if asked.get("sec-fetch-site") == "cross-site" and asked.get("sec-fetch-mode") != "navigate":
            refusal = PlainTextResponse("another site's page asks for this", status_code=403)
            await refusal(scope, receive, sending)
        else:
            await self._app(scope, receive, sending)


class _Pages:
    """What the addresses show. The methods that ask the database run in threads."""

    def __init__(self, asking: Questions) -> None:
        self._asking = asking
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_harmless,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def paths(self, request: Request) -> Response:
        """Show the form, and what came of it."""
        begun = time.perf_counter()
        asked = form.read(request.query_params.multi_items())
        status, state = 200, "welcome"
        shown: dict[str, Any] = {}
        trouble = None
        try:
            if asked.errors:
                status, state = 400, "errors"
            elif asked.question is not None:
                state, shown = "answer", _answered(asked, self._asking.answer(asked.question))
            elif asked.name is not None:
                state, shown = "matches", {"found": self._asking.contacts(asked.name)}
            else:
                shown["examples"] = self._asking.examples()
        except Trouble as met:
            status, state, trouble = met.status, "trouble", met
        shown |= {"state": state, "trouble": trouble, **(_NO_CHOICES if status == 503 else self._choices(asked))}
        shown["total"] = words.milliseconds((time.perf_counter() - begun) * 1e3)
        return self._page("paths.html.j2", asked, status, shown)

    def plan(self, request: Request) -> Response:
        """Show how the database answers the question."""
        asked = form.read(request.query_params.multi_items())
        status = 200
        shown: dict[str, Any] = {"trouble": None, "plan": None, "call": None}
        if asked.question is None:
            told = " ".join(asked.errors.values()) or "Which question? Ask it on the first page."
            status, shown["trouble"] = 400, Trouble(400, "No question to explain", told)
        else:
            shown["call"] = questions.call(asked.question)
            try:
                shown["plan"] = self._asking.plan(asked.question)
            except Trouble as trouble:
                status, shown["trouble"] = trouble.status, trouble
        return self._page("plan.html.j2", asked, status, shown)

    def find_contacts(self, request: Request) -> Response:
        """Find contacts while somebody types."""
        text = request.query_params.get("q", "").strip()
        is_id = form.integer(text) is not None
        if "\0" in text or len(text) > form.LONGEST_NAME or (text.isascii() and text.isdigit() and not is_id):
            return JSONResponse({"error": "That is no name and no id."}, 400)
        if not is_id and len(text) < _SHORTEST_NAME:
            return JSONResponse({"found": []})

        def found() -> Iterator[dict[str, str]]:
            for each in self._asking.contacts(text):
                name = each.name or f"contact {each.contact_id}"
                yield {"value": str(each.contact_id), "name": name, "note": each.organization or ""}

        return _json(found())

    def find_users(self, request: Request) -> Response:
        """Find users of a collection."""
        collection = form.integer(request.query_params.get("collection", ""))
        if collection is None:
            return JSONResponse({"error": "Choose a collection first."}, 400)
        return _json({"value": str(user), "name": str(user), "note": ""} for user in self._asking.users(collection))

    def nothing_here(self, _: Request, __: Exception) -> Response:
        """Tell that an address is none."""
        trouble = Trouble(404, "Nothing is here", "There is no such page.")
        return self._page("plan.html.j2", form.read([]), 404, {"trouble": trouble, "plan": None, "call": None})

    def _choices(self, asked: Asked) -> dict[str, Any]:
        """Return what the form offers; without it, ids can be typed all the same."""
        shown = dict(_NO_CHOICES)
        with suppress(Trouble):
            shown["collections"] = self._asking.collections()
            collection = form.integer(asked.values["collection"])
            if collection is not None:
                shown["users"] = self._asking.users(collection)
        return shown

    def _page(self, template: str, asked: Asked, status: int, shown: Mapping[str, Any]) -> Response:
        text = self._templates.get_template(template).render(
            asked=asked, choices=form.CHOICES, numbers=form.NUMBERS, **{"title": None, "target_name": None, **shown}
        )
        return HTMLResponse(text, status, {"Retry-After": "2"} if status == 503 else None)


def _harmless(value: Any) -> Any:
    """Return what a page shows of a value: control characters, and those that reorder a line, as their escapes."""
    return printable(value, keep="\n\t") if type(value) is str else value


_NO_CHOICES: Mapping[str, Any] = {"collections": (), "users": ()}


def _json(found: Iterator[dict[str, str]]) -> Response:
    try:
        return JSONResponse({"found": list(found)})
    except Trouble as trouble:
        told = f"{trouble.title}. {trouble.hint or trouble.told}"
        if trouble.status == 504:
            told = "Looking through the names took too long: there is no index for it. Enter an id instead."
        return JSONResponse({"error": told}, trouble.status)


def _answered(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Return what a page shows of an answer."""
    question, document = asked.question, answer.document
    assert question is not None  # it was asked
    viewer = question.viewer_user_id
    target = answer.names.contact(question.target_contact_id)
    found = document["paths"]
    drawn = picture(document, answer.names, viewer) if found else None
    why = document.get("why")
    return {
        "title": f"Paths to {target}",
        "target_name": target,
        "heading": _heading(document, target),
        "lead": _lead(document, viewer),
        "cards": words.cards(document, answer.names, viewer),
        "picture": drawn,
        "is_wide": drawn is not None and drawn.columns >= _WIDE,
        "why": (reasons.sentences(question, document, answer.names), reasons.figures(document)) if why else None,
        "complete": document["complete"],
        "facts": _facts(asked, answer),
        "document": shortened(json.dumps(document, indent=2, ensure_ascii=False), _DOCUMENT_CHARACTERS),
        "call": questions.call(question),
        "suggestions": list(_suggestions(asked, document)),
        "without": [
            (answer.names.contact(contact), asked.url(without=[each for each in asked.without if each != contact]))
            for contact in asked.without
        ],
    }


def _heading(document: Mapping[str, Any], target: str) -> str:
    number = len(document["paths"])
    if not number:
        return f"Nobody found who can introduce you to {target}"
    more = "More than " if document["truncated"] else ""
    return f"{more}{number} {'way' if number == 1 else 'ways'} to meet {target}"


def _lead(document: Mapping[str, Any], viewer: int) -> str:
    paths = document["paths"]
    if not paths:
        return ""  # the reason is told below
    between = paths[0]["depth"] - 1
    near = (
        f"The shortest goes through {_people(between)}." if between else "Somebody on the team has them as a contact."
    )
    own = sum(viewer in path["user_ids"] for path in paths)
    if not own:
        return f"{near} {'It begins' if len(paths) == 1 else 'All begin'} with somebody else on the team."
    if own == len(paths):
        return f"{near} You can begin {'it' if own == 1 else 'all of them'} yourself."
    return f"{near} You can begin {own} of these {len(paths)} yourself, others on the team the rest."


def _people(number: int) -> str:
    return "one person" if number == 1 else f"{number} people"


def _facts(asked: Asked, answer: Answer) -> list[tuple[str, str, str]]:
    """Return what there is to know about the answer: a label, a figure, a remark."""
    document = answer.document
    assert asked.question is not None  # it was asked
    new = "on a new connection, which plans first" if answer.is_new_connection else "on its own clock"
    own = "what the collection is set to" if not asked.values["impl"] else "as asked"
    search = {"v1": "legacy_finder", "v2": "deep_finder"}.get(document["impl"], "")
    if not document["complete"]:
        complete = ("no", "the time budget ended the search")
    elif document["truncated"]:
        complete = ("no", f"there are more than the {document['total']} asked for")
    elif document["impl"] == "v1":
        complete = ("yes", f"no others by work experiences up to depth {reasons.deepest(asked.question, document)}")
    elif document["why"] is None or document["why"]["caps_hit"]:
        complete = ("perhaps", "older connections of people who know very many may lead to others")
    else:
        complete = ("yes", f"no others up to depth {asked.values['depth']}")
    return [
        ("PostgreSQL took", words.milliseconds(answer.server_ms), new),
        ("Round trip", words.milliseconds(answer.trip_ms), "seen from the playground"),
        ("All paths shown", *complete),
        ("Version", f"{document['impl']} {search}", own),
    ]


def _suggestions(asked: Asked, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return other questions worth asking, with their addresses."""
    values = asked.values
    assert asked.question is not None  # it was asked
    if not document["complete"] and int(values["budget"]) < form.LONGEST_BUDGET:
        yield f"Give it {form.LONGEST_BUDGET / 1000:g} s", asked.url(budget=form.LONGEST_BUDGET)
    if not document["paths"]:
        remedies: Mapping[str, Any] = reasons.remedies(asked.question, document)
        for name, value in remedies.items():
            yield _REMEDIES[name], asked.url(**{name: value})
        if asked.without:
            yield "Leave nobody out", asked.url(without=[])
    if document["truncated"] and int(values["paths"]) < form.MOST_PATHS:
        yield "Show more", asked.url(paths=min(form.MOST_PATHS, int(values["paths"]) * 3))

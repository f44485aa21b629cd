"""Why an answer of ``find_paths`` holds no more paths, in sentences. ``wording`` has the sentences about a path.

This is the only place for these sentences: the command line and the playground both use it. The database returns codes,
ids and numbers; the header of ``why_no_more`` defines what each reason asserts. A sentence here claims no more than
that, and is true when it is read alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.core.text import capitalized
from orchestrator.finders.paths import Names
from orchestrator.finders.question import DEEPEST, OPTIONS, Question

_V1_DEEPEST = 2  # contacts on the longest path of legacy_finder

#: Numbers of ``why`` with their labels, in the order they are shown; under v1 some have other labels.
FIGURES: Mapping[str, str] = {
    "collection_members": "members of the collection",
    "target_edges": "edges of the target",
    "target_edges_passing": "edges of the target that pass the filters",
    "target_edges_to_members": "edges of the target to members",
    "target_edges_to_excluded": "edges of the target to members who may not be asked",
    "target_experiences_unresolved": "work experiences of the target with an unresolved company name",
    "target_experiences_excluded": "work experiences of the target at excluded organizations",
    "excluded": "contacts in do_not_ask or excluded by the call",
    "level_reached": "contacts on the longest chain looked at",
    "caps_hit": "a contact has more edges to members than the search follows",
}
_V1_FIGURES: Mapping[str, str] = {
    "target_edges": "contacts who worked with the target",
    "target_edges_passing": "contacts who worked with the target and pass the filters",
    "target_edges_to_members": "members who worked with the target",
    "target_edges_to_excluded": "members who worked with the target and may not be asked",
}
#: Keys of ``why`` that qualify the numbers and are not shown themselves.
QUALIFIERS = ("max_edges_per_hop", "counted_to", "counts_are_exact")
_COUNTS = (
    *("collection_members", "target_edges", "target_edges_passing"),
    *("target_edges_to_members", "target_edges_to_excluded", "excluded"),
    *("target_experiences_unresolved", "target_experiences_excluded"),
)
_AT_LEAST = ("target_edges_to_members", "target_edges_to_excluded")  # unless counts_are_exact
_UNLESS_NONE = (  # shown where there is something to show
    *("target_edges_to_excluded", "target_experiences_unresolved", "target_experiences_excluded", "excluded"),
    "caps_hit",
)


def more_may_exist(answer: Mapping[str, Any]) -> str:
    """Say that the limit of edges may have hidden paths beside those found; empty where it has not."""
    why = answer["why"] or {}
    if not answer["paths"] or why.get("reason") != "edge_limit":
        return ""
    most = why["max_edges_per_hop"]
    return (
        f"There may be more paths of 3 contacts or more: the search follows at most {_number(most, 'edge')} from each"
        " contact."
    )


# Why there are no more paths.

#: Which sentences of a reason say enough beside paths that were found. The others are numbers and
#: advice. With a reason that is not listed here, there is no path, or the command line has another line for it.
_BESIDE_PATHS = {
    "names_unresolved": slice(2),
    "organizations_excluded": slice(2),
    "target_has_no_edges": slice(1),
    "no_edge_passes": slice(None),
    "no_edge_to_a_member": slice(-1, None),
    "all_excluded": slice(-2, -1),
    "nobody_to_ask": slice(-1, None),
    "introducer_limit": slice(None),
    "depth_limit": slice(-2, None),
    "exhausted": slice(-1, None),
}


def beside_paths(question: Question, answer: Mapping[str, Any], called: Names) -> str:
    """Say why *answer* has fewer paths than were asked for; empty where it has none, and where it has as many.

    It is also empty for a limit of edges, see :func:`more_may_exist`, and where the time ran out.
    """
    enough = _BESIDE_PATHS.get((answer["why"] or {}).get("reason", ""), slice(0))
    return " ".join(sentences(question, answer, called)[enough]) if answer["paths"] else ""


def sentences(question: Question, answer: Mapping[str, Any], called: Names) -> list[str]:
    """Return why *answer* holds no more paths; empty when it holds as many as were asked for."""
    why = answer["why"]
    if why is None:
        return []
    written = _Sentences(question, answer, called)
    known = {
        "time_budget": written.time_budget,
        "unknown_target": written.unknown_target,
        "empty_collection": written.empty_collection,
        "viewer_is_no_opener": written.viewer_is_no_opener,
        "viewer_opens_nothing": written.viewer_opens_nothing,
        "viewer_brought_nobody": written.viewer_brought_nobody,
        "openers_brought_nobody": written.openers_brought_nobody,
        "names_unresolved": written.names_unresolved,
        "organizations_excluded": written.organizations_excluded,
        "target_has_no_edges": written.target_has_no_edges,
        "no_edge_passes": written.no_edge_passes,
        "no_edge_to_a_member": written.no_edge_to_a_member,
        "all_excluded": written.all_excluded,
        "nobody_to_ask": written.nobody_to_ask,
        "introducer_limit": written.introducer_limit,
        "edge_limit": written.edge_limit,
        "depth_limit": written.depth_limit,
        "exhausted": written.exhausted,
    }.get(why["reason"])
    return [f"Reason: {why['reason']}."] if known is None else list(known())


class _Sentences:
    """The sentences for each reason, about one answer."""

    def __init__(self, question: Question, answer: Mapping[str, Any], called: Names) -> None:
        self.question = question
        self.why: Mapping[str, Any] = answer["why"]
        self.is_v1 = answer["impl"] == "v1"
        self.deepest = deepest(question, answer)
        self.other = "other " if answer["paths"] else ""
        self.is_filtered = has_edge_filters(question)
        self.passing = " in a way that passes the filters" if self.is_filtered else ""
        self.edges = "the target's edges" + (" that pass the filters" if self.is_filtered else "")
        self.target = called.contact(question.target_contact_id)
        self.collection = called.collection(question.collection_id)
        self.viewer = called.user(question.viewer_user_id)
        self.the_viewer = self.viewer if question.viewer_user_id in called.users else f"The {self.viewer}"

    def time_budget(self) -> Iterator[str]:
        yield f"The time budget of {self.question.time_budget_ms:,} ms ended the search, so paths may be missing."
        reached = _number(self.why["level_reached"], "contact")
        yield f"By then the search had looked at paths of at least {reached}."

    def unknown_target(self) -> Iterator[str]:
        yield f"There is no contact {self.question.target_contact_id}."

    def empty_collection(self) -> Iterator[str]:
        yield f"The {self.collection} has no members: the view collection_members has no row of it."

    def viewer_opens_nothing(self) -> Iterator[str]:
        yield f"{self.the_viewer} opens no path: the table do_not_ask_users has a row of this user."
        yield f"The seed scope importer lets only {self.viewer} open a path."

    def viewer_brought_nobody(self) -> Iterator[str]:
        yield f"{self.the_viewer} brought no contact into {self.collection}."
        yield f"The seed scope importer lets only {self.viewer} open a path."

    def viewer_is_no_opener(self) -> Iterator[str]:
        yield f"The seed scope importer lets only {self.viewer} open a path."
        yield f"The users in opener_user_ids do not include {self.viewer}."

    def openers_brought_nobody(self) -> Iterator[str]:
        yield f"No user in opener_user_ids brought a contact into {self.collection}."

    def target_has_no_edges(self) -> Iterator[str]:
        yield from self._no_edges()
        if not self.is_v1:
            yield (
                "If the target should have edges, orchestrator verify shows how many changes wait, and why work"
                " experiences make no edge."
            )

    def names_unresolved(self) -> Iterator[str]:
        yield from self._no_edges()
        number = _number(self._count("target_experiences_unresolved"), "work experience")
        yield f"The target has {number} with a company name for which no organization was decided."
        yield "The command orchestrator resolve finds the organizations that company names mean."
        yield from self._excluded_experiences()

    def organizations_excluded(self) -> Iterator[str]:
        yield from self._no_edges()
        yield from self._excluded_experiences()

    def no_edge_passes(self) -> Iterator[str]:
        yield from self._edges()
        yield "The filters of the call leave out all of them."

    def no_edge_to_a_member(self) -> Iterator[str]:
        yield from self._edges()
        members = _number(self._count("collection_members"), "member")
        if self.is_v1:
            yield (
                f"None of the contacts known to have worked with {self.target}{self.passing} is a member of"
                f" {self.collection}, which has {members}."
            )
        else:
            yield f"None of {self.edges} leads to a member of {self.collection}, which has {members}."

    def all_excluded(self) -> Iterator[str]:
        yield from self._edges()
        yield from self._edges_to_members()
        met = "worked with the target" if self.is_v1 else "has an edge with the target"
        passing = self.passing if self.is_v1 or not self.is_filtered else " that passes the filters"
        yield f"No member of {self.collection} who {met}{passing} may be asked."
        yield (
            "Contacts who may not be asked are in the table do_not_ask, were asked as often as introduction_limits"
            " allows, or were excluded by the call."
        )

    def nobody_to_ask(self) -> Iterator[str]:
        yield from self._edges()
        yield f"None of {self.edges} leads to a member of {self.collection} who may be asked."

    def introducer_limit(self) -> Iterator[str]:
        most = _number(self.question.max_per_introducer or 0, "path")
        yield f"The call asks for at most {most} with the same contact before the target."
        yield "More such paths exist."

    def edge_limit(self) -> Iterator[str]:
        cap = self.why["max_edges_per_hop"]
        yield from self._edges()
        yield from self._edges_to_members()
        lengths = "3" if self.deepest == 3 else f"3 to {self.deepest}"  # paths of two contacts are never cut
        yield (
            f"To find paths of 3 contacts or more, the search follows at most {_number(cap, 'edge')} from each contact:"
            f" {OPTIONS['order_by'].choices[self.question.order_by]}."
        )
        yield (
            f"At least one contact has more than {_number(cap, 'edge')} to members who may be asked,"
            f" so paths of {lengths} contacts may be missing."
        )
        if self.why["level_reached"] == self.deepest:
            yield f"Paths of more than {_number(self.deepest, 'contact')} were not looked for."

    def depth_limit(self) -> Iterator[str]:
        yield from self._edges()
        yield from self._edges_to_members()
        yield self._no_path(f"of up to {_number(self.deepest, 'contact')}")
        if self.is_v1 and self.deepest == _V1_DEEPEST:
            yield f"The implementation v1 never looks for paths of more than {_number(_V1_DEEPEST, 'contact')}."
        else:
            yield f"Paths of more than {_number(self.deepest, 'contact')} were not looked for."

    def exhausted(self) -> Iterator[str]:
        yield from self._edges()
        yield from self._edges_to_members()
        yield self._no_path("of any length")

    def _no_path(self, length: str) -> str:
        start = "By work experiences alone, there" if self.is_v1 else "There"
        avoiding = " that avoids the excluded contacts" if self.question.excluded_contact_ids else ""
        opened = f" that {self.viewer} can open" if self.question.seed_scope == "importer" else ""
        if not opened and self.question.opener_user_ids is not None:
            opened = " that a user in opener_user_ids can open"
        passing = " whose edges pass the filters" if self.is_filtered else ""
        which = " and".join(each for each in (opened, avoiding, passing) if each)
        return f"{start} is no {self.other}path {length} in {self.collection}{which}."

    def _no_edges(self) -> Iterator[str]:
        if self.is_v1:
            yield f"No contact is known to have worked with {self.target} at the same organization at the same time."
        else:
            yield f"The target {self.target} has no edges."

    def _excluded_experiences(self) -> Iterator[str]:
        if self.why["target_experiences_excluded"]:
            number = _number(self._count("target_experiences_excluded"), "work experience")
            yield f"The target has {number} at organizations that make no edges, by the table organization_policy."
            yield "The command orchestrator organizations list shows these organizations."

    def _edges(self) -> Iterator[str]:
        number = self._count("target_edges")
        if number and self.is_v1:
            verb = "is" if number == "1" else "are"
            yield (
                f"{_number(number, 'contact')} {verb} known to have worked with {self.target}"
                " at the same organization at the same time."
            )
        elif number:
            yield f"The target {self.target} has {_number(number, 'edge')}."
        if number and self.why["target_edges_passing"]:
            yield f"The filters of the call keep {self._count('target_edges_passing')} of them."

    def _edges_to_members(self) -> Iterator[str]:
        """Say how many of the target's edges lead to members; nothing where the lower bound is zero."""
        for name, who in (
            ("target_edges_to_members", f"of {self.collection}"),
            ("target_edges_to_excluded", f"of {self.collection} who may not be asked"),
        ):
            if not self.why[name]:
                continue
            number = self._count(name)
            if self.is_v1:
                yield f"{_number(number, 'member')} {who} worked with the target{self.passing}."
            else:
                verb = "leads to a member" if self.why[name] == 1 and "or more" not in number else "lead to members"
                yield capitalized(f"{number} of {self.edges} {verb} {who}.")

    def _count(self, name: str) -> str:
        return count(self.why, name)


def has_edge_filters(question: Question) -> bool:
    """Return whether *question* leaves out edges."""
    return any(option.leaves_out_edges and getattr(question, name) is not None for name, option in OPTIONS.items())


def deepest(question: Question, answer: Mapping[str, Any]) -> int:
    """Return how many contacts the longest paths may have that were looked for."""
    return min(question.max_depth, _V1_DEEPEST) if answer["impl"] == "v1" else question.max_depth


def count(why: Mapping[str, Any], name: str) -> str:
    """Write a number of *why* as what it is: ``3``, ``at least 3``, ``500 or more``; empty where it was not counted."""
    value = why[name]
    if value is None:
        return ""
    if value >= why["counted_to"]:
        return f"{value:,} or more"
    return f"at least {value:,}" if name in _AT_LEAST and not why["counts_are_exact"] else f"{value:,}"


def figures(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the numbers of ``why`` with their labels; a key that is unknown here is shown as it is."""
    why = answer["why"]
    labels = {**FIGURES, **_V1_FIGURES} if answer["impl"] == "v1" else FIGURES
    unknown = sorted(name for name in why if name not in FIGURES and name not in QUALIFIERS and name != "reason")
    return [
        (labels.get(name, name.replace("_", " ")), _figure(why, name))
        for name in (*FIGURES, *unknown)
        if why.get(name) is not None and (why[name] or name not in _UNLESS_NONE)
    ]


def remedies(question: Question, answer: Mapping[str, Any]) -> dict[str, int | str]:
    """Return which other arguments might find more, by the names of the command line's options."""
    why = answer["why"] or {}
    reason = why.get("reason")
    found: dict[str, int | str] = {}
    is_limited = reason in ("depth_limit", "edge_limit")
    if answer["impl"] == "v1":
        if is_limited or reason in (
            *("target_has_no_edges", "names_unresolved", "organizations_excluded"),
            *("no_edge_to_a_member", "all_excluded"),
        ):
            found["impl"] = "v2"
    elif is_limited and why["level_reached"] == question.max_depth < DEEPEST:
        found["depth"] = question.max_depth + 1
    if question.seed_scope == "importer" and (
        is_limited or reason in ("exhausted", "viewer_opens_nothing", "viewer_brought_nobody")
    ):
        found["scope"] = "any"
    return found


def _figure(why: Mapping[str, Any], name: str) -> str:
    value = why[name]
    if name in _COUNTS:
        return count(why, name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    at_least = "at least " if name == "level_reached" and why["reason"] == "time_budget" else ""
    return f"{at_least}{value:,}" if isinstance(value, int) else str(value)


def _number(number: int | str, noun: str) -> str:
    return f"{number} {noun}" if str(number) in ("1", "at least 1") else f"{number} {noun}s"

"""Organizations that are probably no employer, or that make very many edges, and what each costs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from orchestrator.core import sqlfiles
from orchestrator.host.reader import SourceReader

#: An organization with a greater share of all pairs is a candidate, whatever its name.
LARGE = 0.25
#: The days that a proposed limit requires.
MIN_DAYS = 730

_LOOKED_AT = 2000  # organizations with the most contacts, whose names are looked at
_MOST = 20  # candidates
_FEWEST_PEOPLE = 10  # with fewer, a name that names no employer makes few edges

_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "ø": "o", "æ": "ae", "œ": "oe", "\u0131": "i", "đ": "d"})
_WORDS = re.compile(r"ANY \(\s*'\{(.*?)\}'::text\[\]", re.DOTALL)


@dataclass(frozen=True)
class Candidate:
    """An organization that makes edges which are probably of no use, and what it costs.

    ``is_junk``: the name names no employer; else the organization has more than ``LARGE`` of all pairs.
    ``share_of_paths``: of all paths with three contacts, how many use an edge of this organization. ``command`` is the
    proposal.
    """

    id: int
    name: str | None
    people: int
    is_junk: bool
    pairs: int
    edges: int
    bytes: int
    share_of_pairs: float
    share_of_paths: float
    command: str


def find(
    reader: SourceReader, large_ids: Sequence[int], edges_per_pair: float, bytes_per_edge: float
) -> tuple[Candidate, ...]:
    """Return the candidates, the most expensive one first: names that name no employer, and *large_ids*.

    An organization that has a policy is none. The names of the organizations with the most contacts are looked at.
    """
    rows = reader.rows("runs/organizations_by_people", {"most": _LOOKED_AT})
    names = {row[0]: (row[1], row[2]) for row in rows}
    junk = [id for id, (name, people) in names.items() if people >= _FEWEST_PEOPLE and is_junk(name or "")]
    chosen = [*dict.fromkeys([*(each for each in large_ids if each in names), *junk])][:_MOST]
    if not chosen:
        return ()
    costs = reader.rows("runs/organization_costs", {"organization_ids": chosen})
    return tuple(
        Candidate(
            id=id, name=names[id][0], people=names[id][1], is_junk=id in junk, pairs=pairs,
            edges=round(pairs * edges_per_pair), bytes=round(pairs * edges_per_pair * bytes_per_edge),
            share_of_pairs=share_of_pairs, share_of_paths=share_of_paths, command=_command(id, id in junk),
        )
        for id, pairs, share_of_pairs, share_of_paths in costs
        if pairs
    )  # fmt: skip


def is_junk(name: str) -> bool:
    """Whether a name names no employer, such as Self-employed; the SQL function ``is_junk_name`` has the list."""
    return _plain(name) in _junk_names()


def _command(id: int, is_junk: bool) -> str:
    if is_junk:
        return f"orchestrator organizations exclude {id}"
    return f"orchestrator organizations limit {id} --min-days {MIN_DAYS}"


@cache
def _junk_names() -> frozenset[str]:
    found = _WORDS.search(sqlfiles.function("is_junk_name"))
    assert found is not None
    return frozenset(" ".join(each.split()) for each in found[1].split(","))


def _plain(name: str) -> str:
    """Return the words of a name in lower case, without accents and punctuation, as the SQL function ``plain_name``."""
    split = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    letters = "".join(each for each in split if not unicodedata.combining(each) and each not in ".'`\u2019")
    return " ".join(re.findall(r"[^\W_]+", letters))

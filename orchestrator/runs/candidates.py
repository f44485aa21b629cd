"""Finds organizations with junk names or very many edges, and computes how many edges each adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.host import organizations
from orchestrator.host.reader import SourceReader

#: Limits to choose from, in days. The first one that leaves at most half of the pairs is proposed, or the last one.
_LIMITS = (365, 730, 1825, 3650)
_LOOKED_AT = 2000  # organizations with the most contacts, whose names are looked at
_MOST = 20  # candidates
_FEWEST_PEOPLE = 10  # an organization with fewer people makes few edges, whatever its name


@dataclass(frozen=True)
class Candidate:
    """An organization whose edges are probably useless, and what it adds.

    ``is_junk``: it has a junk name; otherwise it makes more than ``LARGE`` of all overlapping pairs.
    ``edges`` and ``edges_kept`` are never more than ``most_edges``.
    ``share_of_paths``: the share of all paths of three contacts that use an edge of this organization. ``command``
    excludes the organization, or limits it to ``min_days``; ``edges_kept`` edges stay with the limit.
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
    min_days: int | None
    edges_kept: int
    command: str

    @property
    def most_edges(self) -> int:
        """How many edges there can be: two contacts have one, however often they overlap."""
        return most_edges(self.pairs, self.people)


def most_edges(pairs: int, people: int) -> int:
    """Return how many edges that many overlapping pairs of that many contacts can make."""
    return min(pairs, people * (people - 1) // 2)


def find(
    reader: SourceReader, large_ids: Sequence[int], edges_per_pair: float, bytes_per_edge: float
) -> tuple[Candidate, ...]:
    """Return the candidates: organizations with junk names, and *large_ids*. The one with the most pairs comes first.

    An organization that has a policy is not a candidate. Only the 2,000 organizations with the most contacts are looked
    at.
    """
    rows = reader.rows("runs/organizations_by_people", {"most": _LOOKED_AT})
    names = {row[0]: (row[1], row[2]) for row in rows}
    enough = {id: name for id, (name, people) in names.items() if people >= _FEWEST_PEOPLE}
    junk_names = organizations.junk_names(reader.connection, [name for name in enough.values() if name])
    junk = [id for id, name in enough.items() if name in junk_names]
    chosen = [*dict.fromkeys([*(each for each in large_ids if each in enough), *junk])][:_MOST]
    if not chosen:
        return ()
    costs = reader.rows("runs/organization_costs", {"organization_ids": chosen})
    return tuple(
        _candidate(reader, row, names[row[0]], row[0] in junk, edges_per_pair, bytes_per_edge)
        for row in costs
        if row[1]
    )


def _candidate(
    reader: SourceReader,
    costs: tuple[int, int, float, float],
    called: tuple[str | None, int],
    is_junk: bool,
    edges_per_pair: float,
    bytes_per_edge: float,
) -> Candidate:
    id, pairs, share_of_pairs, share_of_paths = costs
    edges = min(pairs * edges_per_pair, most_edges(pairs, called[1]))
    min_days, kept = (None, 0) if is_junk else _limit(reader, id, pairs)
    command = organizations.exclude_command([id]) if min_days is None else organizations.limit_command(id, min_days)
    return Candidate(
        id=id, name=called[0], people=called[1], is_junk=is_junk, pairs=pairs, edges=round(edges),
        bytes=round(edges * bytes_per_edge), share_of_pairs=share_of_pairs, share_of_paths=share_of_paths,
        min_days=min_days, edges_kept=round(min(kept * edges_per_pair, most_edges(kept, called[1]))),
        command=command,
    )  # fmt: skip


def _limit(reader: SourceReader, id: int, pairs: int) -> tuple[int, int]:
    """Return the number of days to propose for a limit, and how many pairs it leaves."""
    left = dict(reader.rows("runs/pairs_of_limits", {"organization_id": id, "days": list(_LIMITS)}))
    days = next((each for each in _LIMITS if left.get(each, 0) <= pairs / 2), _LIMITS[-1])
    return days, left.get(days, 0)

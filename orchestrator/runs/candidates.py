"""Organizations that are probably no employer, or that make very many edges, and what each costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.host.organizations import is_junk
from orchestrator.host.reader import SourceReader

#: An organization with a greater share of all pairs is a candidate, whatever its name.
LARGE = 0.25

#: Limits to choose from, in days. The first one that leaves at most half of the pairs is proposed, or the last one.
_LIMITS = (365, 730, 1825, 3650)
_LOOKED_AT = 2000  # organizations with the most contacts, whose names are looked at
_MOST = 20  # candidates
_FEWEST_PEOPLE = 10  # with fewer, an organization makes few edges, whatever its share of all pairs


@dataclass(frozen=True)
class Candidate:
    """An organization that makes edges which are probably of no use, and what it costs.

    ``is_junk``: the name names no employer; else the organization has more than ``LARGE`` of all pairs.
    ``share_of_paths``: of all paths with three contacts, how many use an edge of this organization. ``command`` is the
    proposal: to exclude it, or, when ``min_days`` is a number, to limit it. ``edges_kept`` then stay.
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


def find(
    reader: SourceReader, large_ids: Sequence[int], edges_per_pair: float, bytes_per_edge: float
) -> tuple[Candidate, ...]:
    """Return the candidates, the most expensive one first: names that name no employer, and *large_ids*.

    An organization that has a policy is none. The names of the organizations with the most contacts are looked at.
    """
    rows = reader.rows("runs/organizations_by_people", {"most": _LOOKED_AT})
    names = {row[0]: (row[1], row[2]) for row in rows}
    enough = {id: name for id, (name, people) in names.items() if people >= _FEWEST_PEOPLE}
    junk = [id for id, name in enough.items() if is_junk(name or "")]
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
    edges = pairs * edges_per_pair
    min_days, kept = (None, 0) if is_junk else _limit(reader, id, pairs)
    limit = f"limit {id} --min-days {min_days}"
    return Candidate(
        id=id, name=called[0], people=called[1], is_junk=is_junk, pairs=pairs, edges=round(edges),
        bytes=round(edges * bytes_per_edge), share_of_pairs=share_of_pairs, share_of_paths=share_of_paths,
        min_days=min_days, edges_kept=round(kept * edges_per_pair),
        command=f"orchestrator organizations {f'exclude {id}' if is_junk else limit}",
    )  # fmt: skip


def _limit(reader: SourceReader, id: int, pairs: int) -> tuple[int, int]:
    """Return the days of the limit to propose, and the pairs that it leaves."""
    left = dict(reader.rows("runs/pairs_of_limits", {"organization_id": id, "days": list(_LIMITS)}))
    days = next((each for each in _LIMITS if left.get(each, 0) <= pairs / 2), _LIMITS[-1])
    return days, left.get(days, 0)

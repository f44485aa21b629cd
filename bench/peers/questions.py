"""The questions, cell by cell: a collection, a scope, a depth and a class of targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.cells import ANY, FEW, HUB, RANDOM, Collection, percent
from bench.peers.data import Question

DEPTHS = (2, 4)
MAX_PATHS = 25


@dataclass(frozen=True)
class Asked:
    """The questions of one cell."""

    name: str
    questions: Sequence[Question]


def cells(collections: Sequence[Collection], targets: Mapping[str, Sequence[int]]) -> list[Asked]:
    """Return the cells: any user opens, or only the user with the fewest contacts; targets are hubs or random."""
    found = []
    for collection in collections:
        for scope in (ANY, FEW):
            viewer = collection.viewer(scope)
            if viewer is None:
                continue
            for depth in DEPTHS:
                for kind in (HUB, RANDOM):
                    questions = [
                        Question(target, collection.id, viewer.user, depth, MAX_PATHS, importer=scope == FEW)
                        for target in targets[kind]
                    ]
                    found.append(Asked(f"{percent(collection.share)} {scope} d{depth} {kind}", questions))
    return found

"""Estimates how many edges a backfill will make, from exact counts of overlaps and a random sample of contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance

from orchestrator.core.student import student_quantile
from orchestrator.host.reader import SourceReader

_PER_STRATUM = 20  # contacts to draw: enough to see how much they differ
_MOST_OVERLAPS = 500_000  # about, of all drawn contacts; each costs one or a few microseconds
_CONFIDENCE = 0.95
_LEAST_FREEDOM = 4.0  # degrees of freedom; with fewer the quantile would not be right


@dataclass(frozen=True)
class EdgeEstimate:
    """Overlapping pairs of experiences, counted exactly, and the edges that they make.

    Two contacts whose experiences overlap twice have two pairs and one edge. How often that happens is estimated from
    ``sampled`` contacts, drawn by ``seed``. The number of edges is between ``low`` and ``high`` with ``confidence``.
    """

    pairs: int
    estimate: int
    low: int
    high: int
    confidence: float
    sampled: int
    seed: int


@dataclass(frozen=True)
class Stratum:
    """Contacts with about as many overlaps each: how many there are, and how many were drawn.

    ``number`` is 0 where all were drawn, and None for contacts without overlaps. ``mean_loss`` is by how much the
    overlaps of a drawn contact exceed its edges, on average.
    """

    number: int | None
    contacts: int
    overlaps: int
    sampled: int
    mean_loss: float
    loss_variance: float

    @property
    def loss(self) -> float:
        """By how much the overlaps of all its contacts exceed their edges, estimated from those that were drawn."""
        return self.contacts * self.mean_loss

    @property
    def variance(self) -> float:
        """The variance of ``loss``; 0 where all contacts were drawn."""
        return self.contacts * (self.contacts - self.sampled) * self.loss_variance / self.sampled


def draw_strata(reader: SourceReader, seed: int, sample: int) -> list[Stratum]:
    """Draw at most *sample* contacts and compute their edges; the same seed draws the same contacts."""
    rows = reader.rows(
        "runs/sample_overlaps",
        {"sample": sample, "per_stratum": _PER_STRATUM, "most_overlaps": _MOST_OVERLAPS, "seed": seed},
    )
    ids = [contact for *_, drawn, _ in rows for contact in drawn or ()]
    query = "runs/edges_of_contacts" if reader.is_installed else "runs/edges_of_contacts_before"
    edges = dict(reader.rows(query, {"contact_ids": ids}))
    return [_stratum(edges, *row) for row in rows]


def _stratum(
    edges: dict[int, int],
    number: int | None,
    contacts: int,
    total: int,
    drawn: list[int] | None,
    overlaps: list[int] | None,
) -> Stratum:
    lost = [count - edges.get(contact, 0) for contact, count in zip(drawn or (), overlaps or (), strict=True)]
    mean = fmean(lost) if lost else 0.0
    return Stratum(number, contacts, total, len(lost), mean, float(variance(lost)) if len(lost) > 1 else 0.0)


def estimate_edges(strata: Sequence[Stratum], seed: int) -> EdgeEstimate:
    """Estimate the edges: half of all overlaps, minus half of the loss by contacts who overlap more than once."""
    overlaps = sum(stratum.overlaps for stratum in strata)
    margin = _margin(strata) / 2
    estimate = (overlaps - sum(stratum.loss for stratum in strata)) / 2
    pairs = overlaps // 2
    return EdgeEstimate(
        pairs=pairs,
        estimate=round(estimate),
        low=max(0, round(estimate - margin)),
        high=min(pairs, round(estimate + margin)),
        confidence=_CONFIDENCE,
        sampled=sum(stratum.sampled for stratum in strata),
        seed=seed,
    )


def _margin(strata: Sequence[Stratum]) -> float:
    """Return half the width of the confidence interval of the loss.

    Student's t is used, with Satterthwaite's degrees of freedom. A loss so rare that no drawn contact has one would
    leave no variance at all. So the variance includes one more contact, which has lost all overlaps that it represents.
    """
    drawn = [stratum for stratum in strata if 0 < stratum.sampled < stratum.contacts]
    if not drawn:
        return 0.0
    seen = sum(stratum.variance for stratum in drawn)
    of_variance = sum(stratum.variance**2 / (stratum.sampled - 1) for stratum in drawn)
    freedom = seen**2 / of_variance if of_variance else float("inf")
    unseen = sum(stratum.overlaps for stratum in drawn) / sum(stratum.sampled for stratum in drawn)
    return student_quantile((1 + _CONFIDENCE) / 2, max(freedom, _LEAST_FREEDOM)) * sqrt(seen + unseen**2)

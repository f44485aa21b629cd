"""How numbers are written: units, digits, and the borders between two units."""

from __future__ import annotations

import math

import pytest

from orchestrator.core import formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"), (0.25, "0.25"), (8.1666, "8.17"), (81.666, "81.7"), (99.94, "99.9"), (99.96, "100"),
        (1234.4, "1,234"), (None, "–"), (math.nan, "–"), (math.inf, "∞"), (-math.inf, "-∞"),
    ],
)  # fmt: skip
def test_a_number_has_three_digits(value: float | None, shown: str) -> None:
    assert formats.number(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(8.1666, "8.17 ms"), (1234, "1,234 ms"), (None, "–"), (math.nan, "–")])
def test_a_latency_has_a_unit(value: float | None, shown: str) -> None:
    assert formats.milliseconds(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"), (8.17, "8.2 s"), (9.96, "10 s"), (89.4, "89 s"), (89.6, "1:30 min"), (125, "2:05 min"),
        (3599.4, "59:59 min"), (3599.7, "1:00 h"), (5399.7, "1:30 h"), (12_000, "3:20 h"), (172_700, "47:58 h"),
        (172_800, "2.0 days"), (388_800, "4.5 days"),
    ],
)  # fmt: skip
def test_a_duration_has_one_unit(seconds: float, shown: str) -> None:
    assert formats.duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"), (812, "812 bytes"), (999.6, "1 kB"), (88_000, "88 kB"), (9_412_000, "9.41 MB"),
        (999_600_000, "1 GB"), (12_300_000_000, "12.3 GB"), (1.2e12, "1.2 TB"), (1.2e16, "12,000 TB"),
    ],
)  # fmt: skip
def test_a_size_has_decimal_units(count: float, shown: str) -> None:
    assert formats.size(count) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0, "0%"), (1, "100%"), (0.25, "25%"), (0.001, "0.10%"), (0.999, "99.90%"), (1e-6, "<0.01%"),
        (1 - 1e-6, ">99.99%"), (1.5, "150%"),
    ],
)  # fmt: skip
def test_a_share_is_rounded_to_0_or_100_percent_only_if_exact(share: float, shown: str) -> None:
    assert formats.percent(share) == shown


def test_a_count_has_its_noun() -> None:
    assert formats.counted(1, "contact") == "1 contact"
    assert formats.counted(3000, "contact") == "3,000 contacts"
    assert formats.counted(0, "entry", "entries") == "0 entries"

"""A hash of integers that is the same on every machine."""

from __future__ import annotations

_MASK = (1 << 64) - 1


def mixed(value: int) -> int:
    """Return 64 well-mixed bits of *value* (the finalizer of splitmix64)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _MASK
    return value ^ value >> 31

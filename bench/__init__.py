"""Measurements: every number in the README has its script here."""

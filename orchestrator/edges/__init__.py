"""Checks edges against a computation from scratch."""

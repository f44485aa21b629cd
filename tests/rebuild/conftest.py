"""Databases for the tests of rebuilds: those of the tests of runs."""

from tests.support.runs import application, db, dsn, original, own

__all__ = ["application", "db", "dsn", "original", "own"]

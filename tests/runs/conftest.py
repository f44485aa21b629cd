"""Databases for the tests of runs."""

from tests.support.kills import none_left, private_server, private_world, world_size
from tests.support.runs import application, db, dsn, original, own

__all__ = ["application", "db", "dsn", "none_left", "original", "own", "private_server", "private_world", "world_size"]

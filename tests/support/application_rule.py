"""A rule of the application that is called for each edge of a run, and the edges that are wrong after the run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from orchestrator.core.database import Connection
from tests.support import oracle
from tests.support.edges import edges
from tests.support.world import office

#: A trigger function of the application that is called for each edge, in place and in the table of a rebuild.
RULE = """
CREATE FUNCTION public.rule(contact_a_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN {} RETURN true; END $$;
ALTER TABLE connection_paths.contact_connections
    ADD CONSTRAINT app_rule CHECK (public.rule(contact_a_id)) NOT VALID;
"""


def wrong(connection: Connection, size: int, aside: Collection[int] = ()) -> dict[Any, Any]:
    """The edges that are wrong, except those of contacts that were set aside."""
    right = {pair: edge for pair, edge in oracle.edges(office(size)).items() if pair[0] not in aside}
    there = edges(connection)
    return {pair: there.get(pair) for pair in right.keys() | there.keys() if right.get(pair) != there.get(pair)}

"""Targets are of every kind, and the same seed gives the same ones."""

from __future__ import annotations

from orchestrator.sweep.measure import targets
from orchestrator.sweep.measure.matrix import Matrix
from orchestrator.sweep.measure.sweep import sweep
from tests.support.sessions import connect
from tests.support.sweeps import QUICK


def test_the_same_seed_gives_the_same_targets(network: str) -> None:
    found = []
    for number in (5, 5, 6):
        with connect(network) as connection:
            distance = targets.distance_in(connection, 1, "any", 3)
            users = targets.viewers(connection, 1)
            found.append(targets.ContactPool(connection, number).draw(20, users, str(number), distance))
    assert found[0] == found[1] != found[2]
    assert len(found[0]) == 20


def test_targets_are_of_every_kind(network: str) -> None:
    with connect(network) as connection:
        distance = targets.distance_in(connection, 1, "importer", 3)
        drawn = targets.ContactPool(connection, 1).draw(25, targets.viewers(connection, 1), "1", distance)
        assert {"few", "typical", "many", "hub"} <= {target.degree for target in drawn}
        assert {None, 1, 2} <= {target.distance for target in drawn}
        for target in drawn:
            row = connection.execute(
                "SELECT count(*) FROM connection_paths.contact_connections WHERE %s IN (contact_a_id, contact_b_id)",
                (target.contact,),
            ).fetchone()
            assert row == (target.edges,)


def test_given_contacts_and_the_given_viewer_are_used(network: str) -> None:
    found = sweep(network, Matrix(depths=(2,), collections=(1,), contacts=(3, 99999999), viewer=7), QUICK)
    assert [(target.contact, target.viewer) for target in found.targets[1, "any"]] == [(3, 7), (99999999, 7)]
    assert found.targets[1, "any"][1].distance is None

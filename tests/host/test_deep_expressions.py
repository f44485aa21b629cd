"""An expression with very many levels is refused with its line, and one that a person writes is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.core.errors import OrchestratorError
from orchestrator.host.mapping import bound
from orchestrator.host.mapping_file import parse

#: Conditions of so many levels.
FORMS: dict[str, Callable[[int], str]] = {
    "not": lambda levels: "NOT " * levels + "id > 1",
    "minus": lambda levels: "- " * levels + "id > 1",
    "chain": lambda levels: "||".join(["name"] * levels) + " > name",
    "cast": lambda levels: "id" + "::int" * levels + " > 1",
    "call": lambda levels: "abs(" * levels + "id" + ")" * levels + " > 1",
    "case": lambda levels: "CASE WHEN id > 1 THEN " * (levels // 4) + "true" + " END" * (levels // 4),
    "sum": lambda levels: "1" + "+id" * levels + " > 1",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("levels", [120, 400, 1200])
def test_a_deep_expression_is_refused(form: str, levels: int) -> None:
    text = FORMS[form](levels if form != "case" else 2 * levels)
    with pytest.raises(OrchestratorError) as raised:
        parse(f'[contacts]\nwhere = "{text}"\n', "map.toml")
    assert str(raised.value).startswith("map.toml:2: where = ")
    assert str(raised.value).endswith(("levels, one inside the other; put it into a view", "is too long"))


@pytest.mark.parametrize("form", FORMS)
def test_an_expression_of_many_levels_is_taken(form: str) -> None:
    """It is taken, and used, also by a function that is called at some depth."""
    mapping = parse(f'[contacts]\nwhere = "{FORMS[form](60)}"\n', "map.toml")

    def at_some_depth(calls: int) -> str | None:
        return at_some_depth(calls - 1) if calls else bound(mapping, "public")["contacts"].where

    assert at_some_depth(150)


def test_many_conditions_are_few_levels() -> None:
    assert parse(f'[contacts]\nwhere = "{" AND ".join(["(id > 1 OR id < 9)"] * 400)}"\n', "map.toml").sources

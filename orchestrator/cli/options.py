"""Options and types of values that several commands have."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.finders.question import OPTIONS, default_of

if TYPE_CHECKING:
    from orchestrator.host.mapping import SourceMapping


class _Bigint(click.ParamType):  # type: ignore[type-arg]  # older versions of click have no argument here
    """A number that a bigint of the database holds. ``--help`` does not show its range."""

    name = "id"
    _range = click.IntRange(-(2**63), 2**63 - 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number."""
        try:
            int(value)
        except ValueError:
            self.fail(f"{value!r} is not a whole number", param, ctx)
        return self._range.convert(value, param, ctx)


class _Key(_Bigint):
    """An id of the application: a number, or a uuid that ``orchestrator.host.uuid_keys.id_of`` makes a number of."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number or a uuid."""
        if isinstance(value, str) and "-" in value[1:]:
            from orchestrator.host.uuid_keys import uuid_of  # noqa: PLC0415  it loads the parser of PostgreSQL

            if (found := uuid_of(value)) is not None:
                return found
        try:
            int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor a uuid", param, ctx)
        return super().convert(value, param, ctx)


#: A number that a bigint holds, such as the seed of a random choice.
ID = _Bigint()

#: An id of a contact, an organization, a user or a collection.
KEY = _Key()


class Number(click.FloatRange):
    """A finite number in a range; ``float`` would also take ``inf`` and ``nan``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number."""
        number = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class _Day(click.DateTime):
    """A day, as a date of Python."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a day."""
        return super().convert(value, param, ctx).date()


class _OrNull(click.ParamType):  # type: ignore[type-arg]  # older versions of click have no argument here
    """A value of another type, or a word that stands for NULL."""

    def __init__(self, kind: Any, null: str) -> None:
        self.name, self._kind, self._null = kind.name, kind, null

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a value; None for the word."""
        return None if value == self._null else self._kind.convert(value, param, ctx)


def limit_or_off(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """Take a positive limit, or ``off``, which is None."""
    kind: Any = click.FloatRange(min=0, min_open=True)
    return None if value == "off" else float(kind.convert(value, param, ctx))


def _load_mapping(ctx: click.Context, param: click.Parameter, value: Path | None) -> SourceMapping | None:
    from orchestrator.host import mapping  # noqa: PLC0415  it loads the parser of PostgreSQL

    if value is None:
        return None
    if not value.exists():
        draft = f"orchestrator map --suggest --output {shlex.quote(str(value))}"
        raise click.BadParameter(f"{value} does not exist; to draft it: {draft}", ctx, param)
    return mapping.load(value)


map_option = click.option(
    "--map", "mapping", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    callback=_load_mapping,
    help="A TOML file that says which tables, columns and rows of yours to read; otherwise that of the last install.",
)  # fmt: skip


def listed(kind: Any, metavar: str) -> dict[str, Any]:
    """Return the arguments of an option that takes several values, each of *kind*, with commas between them."""

    def split(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Any, ...] | None:
        if value is None:
            return None
        found = (kind.convert(word.strip(), param, ctx) for word in value.split(",") if word.strip())
        values = tuple(dict.fromkeys(found))
        if not values and value != param.get_default(ctx, call=False):
            raise click.BadParameter("is an empty list", ctx, param)
        return values

    return {"callback": split, "metavar": metavar}


def search_option(name: str) -> Callable[[Any], Any]:
    """Return the option for an argument of ``find_paths``; the command gets its value by the name of the argument."""
    option, default = OPTIONS[name], default_of(name)
    assert option.flag is not None
    kinds: dict[str, Any] = {
        "integer": click.IntRange(option.least, option.most),
        "text": click.Choice([*option.choices]),
        "date": _Day(["%Y-%m-%d"]),
        "bigint[]": KEY,
        "text[]": click.STRING,
    }
    kind = kinds[option.type]
    return click.option(
        option.flag, name, type=kind if option.null is None else _OrNull(kind, option.null),
        default=None if option.is_list else default, show_default=not option.is_list and default is not None,
        multiple=option.is_list, metavar=option.metavar, help=option.help,
    )  # fmt: skip


host_schema_option = click.option(
    "--host-schema", default="public", show_default=True, metavar="NAME",
    help="The schema of contacts, organizations and the other host tables.",
)  # fmt: skip
max_edges_per_hop_option = search_option("max_edges_per_hop")
yes_option = click.option("--yes", is_flag=True, help="Do not ask; required where there is no terminal to ask on.")
objective_option = click.option(
    "--objective", "objectives", multiple=True, metavar="WHAT=LIMIT",
    help="p95=250ms, max=2s, rate=500 (answers a second), failed=0.1%; exit status 3 when a cell misses it.",
)  # fmt: skip
margin_option = click.option(
    "--margin", type=Number(0, 1), default=0.05, show_default=True, metavar="SHARE",
    help="A smaller difference counts as none.",
)  # fmt: skip

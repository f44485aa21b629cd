"""``docs/reference/cli.md`` says what the commands are."""

from __future__ import annotations

import click

from orchestrator.cli import main
from tests.support import cli_reference


def test_the_reference_is_up_to_date() -> None:
    assert cli_reference.PAGE.read_text(encoding="utf-8") == cli_reference.page(), "run make reference"


def test_every_option_and_argument_is_in_the_reference() -> None:
    page = cli_reference.page()
    for command, ctx in cli_reference.commands():
        _, _, section = page.partition(f"\n## {ctx.command_path}\n")
        section = section.partition("\n## ")[0]
        for param in command.params:
            if isinstance(param, click.Argument):
                assert param.make_metavar(ctx) in section, (ctx.command_path, param.name)
            elif param not in main.params and param.name not in cli_reference.SHARED:
                assert all(name in section for name in param.opts), (ctx.command_path, param.name)


def test_every_option_has_a_text() -> None:
    for command, ctx in cli_reference.commands():
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help, (ctx.command_path, param.name)

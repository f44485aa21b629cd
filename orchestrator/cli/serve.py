"""``orchestrator serve``."""

from __future__ import annotations

from contextlib import suppress

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.core import extras


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, metavar="PORT", help="0: any free port."
)
@click.option(
    "--allow-remote", is_flag=True, help="Listen where other machines can connect, although there is no login."
)
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@shared_options
@pass_invocation
def command(invocation: Invocation, host: str, port: int, allow_remote: bool, opens: bool) -> None:
    """Serve a local page for searching contacts and showing paths. It only reads. Ctrl-C stops it."""
    server = extras.load("orchestrator.playground.server", "playground")
    dsn = invocation.connection_string()
    with server.listen(host, port, allow_remote=allow_remote) as listening:
        invocation.screen.result({"url": listening.url}, f"The playground is at {listening.url} (Ctrl-C stops it)")
        if opens:
            click.launch(listening.url)
        with suppress(KeyboardInterrupt):
            server.serve(dsn, listening)

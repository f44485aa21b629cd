"""The command line ``orchestrator``: a file for each command, which is named as the command is.

A command reads its arguments, calls the room that does the work, and shows what it returns: this package is the only
one that prints. Each command's file defines ``command``; :mod:`orchestrator.cli.commands` puts them together. What the
files share is in ``invocation`` (the options of every command), ``options``, ``confirmation``, ``screen`` and
``run_lines``.

Exit status: 0 when the work is done; 1 when it failed; 2 when the command was not understood; 3 when a check found
something wrong, worse or missed; 4 when a check is undecided, or had not enough time.
"""

import sys

try:
    from orchestrator.cli.commands import main
except KeyboardInterrupt:  # Ctrl-C while the libraries are loaded
    sys.exit("Stopped before anything was done.")

__all__ = ["main"]

"""Checks edges against a computation from the application's tables: ``orchestrator verify``.

* :mod:`~orchestrator.verify.verification` is the whole check, with its result;
* :mod:`~orchestrator.verify.comparison` draws a sample of contacts and compares their edges;
* :mod:`~orchestrator.verify.finder_times` measures ``find_paths``;
* :mod:`~orchestrator.verify.findings` makes the sentences about problems;
* :mod:`~orchestrator.verify.time_limit` ends the check in time.

What an edge is, and how edges are written, is SQL; see ``sql/functions/edges/README.md``.
"""

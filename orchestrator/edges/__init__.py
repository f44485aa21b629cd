"""Checks edges against a computation from the application's tables: ``orchestrator verify``.

* :mod:`~orchestrator.edges.verify` is the whole check, with its result;
* :mod:`~orchestrator.edges.comparison` draws a sample of contacts and compares their edges;
* :mod:`~orchestrator.edges.finder_times` measures ``find_paths``;
* :mod:`~orchestrator.edges.findings` makes the sentences about problems;
* :mod:`~orchestrator.edges.time_limit` ends the check in time.

What an edge is, and how edges are written, is SQL; see ``sql/functions/edges/README.md``.
"""

"""Finishes a rebuild: builds the indexes of its table and exchanges the table for the live edges.

* :mod:`~orchestrator.rebuild.rebuild` does the steps after the last batch;
* :mod:`~orchestrator.rebuild.index_builds` builds several indexes of one table at the same time;
* :mod:`~orchestrator.rebuild.standbys` chooses a moment for the exchange when no reader of a standby has to wait.

The table and its batches are SQL; see ``sql/functions/rebuild/README.md``.
"""

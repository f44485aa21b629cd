"""Brings edges up to date with what the application wrote.

Triggers write each change to the queue, the table ``contact_changes``; see ``sql/functions/changes/README.md``. This
package empties the queue:

* :mod:`~orchestrator.changes.sync` is ``orchestrator sync``: it starts workers, reports progress and, with
  ``--follow``, sleeps until a writer wakes it;
* :mod:`~orchestrator.changes.worker` is one worker: it calls ``connection_paths.sync_changes`` again and again, and
  decides what happens after an error;
* :mod:`~orchestrator.changes.queue` reads the state of the queue.
"""

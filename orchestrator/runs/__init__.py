"""Runs: plans a backfill, works on it with many connections, and keeps it from slowing down the application.

The state of a run is in the database; see ``docs/explanation/runs.md`` and ``sql/functions/runs/README.md``. The
modules here decide when a batch is done and by how many workers::

    backfill --> driver --> workers      claim batches and do them, each over a session of its own
       |           |
       |           +----> rebuild        (another room) builds the indexes and exchanges the tables
       v           v
      runs      throttle --> governor   how many workers may work
                   |
                   +--> canary           times find_paths, all the time
                   +--> signals          replicas, WAL archive, locks, autovacuum

``backfill`` finds or creates the run, ``driver`` works on it until it is over, and ``runs`` reads and steers it.
``plan`` predicts what a backfill makes, with ``edge_estimate``.
"""

"""Installs connection_paths into a PostgreSQL database, fills and refreshes its edges, and finds paths with it."""

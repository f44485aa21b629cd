"""Installs connection_paths into a PostgreSQL, fills its edges and asks it for paths."""

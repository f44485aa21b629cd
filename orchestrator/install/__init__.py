"""Installs, repairs, upgrades and removes the SQL."""

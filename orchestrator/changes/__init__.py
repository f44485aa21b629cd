"""Brings edges up to date with what the application wrote."""

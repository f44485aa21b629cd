"""Loads example data into the application's tables."""

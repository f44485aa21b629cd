"""Sweeps: finders measured cell by cell, in a way that can be believed and done again."""

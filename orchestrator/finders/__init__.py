"""Asks find_paths, and words its answers."""

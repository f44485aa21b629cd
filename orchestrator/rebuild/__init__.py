"""Builds the indexes of a rebuild and exchanges its table with the live one."""

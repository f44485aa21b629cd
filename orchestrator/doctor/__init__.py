"""Finds problems of an installation, each with the command that repairs it; :mod:`.diagnosis` runs the checks."""

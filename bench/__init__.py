"""Measurements: a script here has made every number in the README."""

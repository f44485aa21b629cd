"""Detaches tables of the application for a migration that alters their columns, and attaches them again."""

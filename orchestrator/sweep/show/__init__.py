"""Showing: tables as CSV and Markdown, and the report as one HTML page."""

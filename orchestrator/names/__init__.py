"""Resolves company names: decides which organization a name means, for work experiences without an organization.

The SQL functions of this room look for candidates and store decisions: ``sql/functions/names/README.md``. This package
calls them in batches, stores decisions of people, and reads and writes files for review in a spreadsheet.
"""

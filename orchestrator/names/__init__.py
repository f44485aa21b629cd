"""Resolving company names: which organization does a name mean that a work experience has instead of an id?

The SQL of this room proposes and stores; see ``sql/functions/names/README.md``. This package calls it in batches, takes
decisions of people, and reads and writes files for review in a spreadsheet.
"""

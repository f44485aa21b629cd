"""Example data for the host tables, from CSV files (``csv_files``) or made up (``synthetic``)."""

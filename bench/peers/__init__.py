"""The same questions asked of other engines: DuckDB, Ladybug, FalkorDB, pgRouting, recursive SQL, arrays in memory."""

-- This statement is planned, not run: the number of edges of contact $1 that end on one day.
SELECT t.number
FROM connection_paths.tied_edges($1, '2020-01-01') AS t

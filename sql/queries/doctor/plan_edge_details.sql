-- This statement is planned, not run: the edge that stands for the contacts $1 and $2.
SELECT d.kind
FROM connection_paths.edge_details($1, $2, NULL) AS d

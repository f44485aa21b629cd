-- This statement is planned, not run: the edges that the work experiences of contact $1 make.
SELECT w.neighbour_id, w.organization_id, w.date_from, w.date_to
FROM connection_paths.work_overlaps($1) AS w

-- How many work_overlap edges the table of a rebuild has.
SELECT count(*) FROM connection_paths.contact_connections_next AS n WHERE n.kind = 'work_overlap'

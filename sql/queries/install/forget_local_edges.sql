-- Empties the edges that the coordinator still has on its disk after they were copied to the workers.
SELECT truncate_local_data_after_distributing_table('connection_paths.contact_connections')

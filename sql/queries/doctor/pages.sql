-- How many pages a table has. Parameter: table_oid.
SELECT (pg_relation_size(%(table_oid)s::oid) / current_setting('block_size')::bigint)::bigint AS pages

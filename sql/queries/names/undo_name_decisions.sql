-- Undoes the decisions of a batch, or the latest change of the decision about one name.
--
-- Parameters: batch_id; company_name. One of them is NULL.
SELECT u.name, u.is_undone
FROM connection_paths.undo_name_decisions(%(batch_id)s::bigint, %(company_name)s::text) AS u
ORDER BY u.name

-- Returns the contacts that a run has set aside, with the error of each. Parameter: run_id.
SELECT b.contact_id, b.error
FROM connection_paths.backfill_batches AS b
WHERE b.run_id = %(run_id)s AND b.status = 'set aside'
ORDER BY b.above_contact_id NULLS FIRST

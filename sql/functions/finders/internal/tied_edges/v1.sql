-- connection_paths.tied_edges(contact_id, day)
--
-- Counts the edges of a contact that end on one day.
--
-- Parameters
--     contact_id  The contact.
--     day         The last day of the edges to count.
-- Returns
--     One row.
--     number  How many edges end on that day.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     next_contacts, sql/queries/doctor/plan_tied_edges.sql
-- Why
--     Paths of equal recency are ranked by users, so a search must read all edges that tie with the last path it
--     wants. The count says how many edges to read, instead of reading four times as many and looking again.
CREATE OR REPLACE FUNCTION connection_paths.tied_edges(contact_id bigint, day date)
RETURNS TABLE (number bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT count(*)
    FROM (
        SELECT
        FROM connection_paths.contact_connections AS c
        WHERE c.contact_a_id = tied_edges.contact_id AND c.date_to = tied_edges.day
        UNION ALL
        SELECT
        FROM connection_paths.contact_connections AS c
        WHERE c.contact_b_id = tied_edges.contact_id AND c.date_to = tied_edges.day
    ) AS c;
END;

COMMENT ON FUNCTION connection_paths.tied_edges(bigint, date) IS 'How many edges of a contact end on a day';

REVOKE ALL ON FUNCTION connection_paths.tied_edges(bigint, date) FROM PUBLIC;

-- connection_paths.overlap_days(date_from, date_to, earlier_days)
--
-- Returns how many days the two contacts of an edge have worked at the same organizations at the same time.
--
-- Parameters
--     date_from     The first day of the edge's overlap. NULL gives NULL.
--     date_to       The last day of the edge's overlap. NULL: it goes on.
--     earlier_days  The days in common before date_from: contact_connections.earlier_days. Less than 0 counts as 0, and
--                   more than a billion as a billion. NULL gives NULL.
-- Returns
--     The number of days until today. A day counts once, however many organizations the two shared on it.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     work_overlaps, rebuilt_edges, wanted_edges, path_documents, applications
-- Why
--     The overlap of an edge is the one that ends last. So all other days in common are before its first day, and
--     their number does not change while the overlap goes on. contact_connections stores that number, and this function
--     adds the days of the overlap itself. A stored total would have to be written again each day.
--
--     Today is CURRENT_DATE of the session. Days before the year 1 and days after today do not count, so no date is an
--     error. An application writes the rows of its own kinds, and one odd row must not make a finder fail.
CREATE OR REPLACE FUNCTION connection_paths.overlap_days(date_from date, date_to date, earlier_days integer)
RETURNS integer
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        CASE WHEN overlap_days.date_from IS NOT NULL AND overlap_days.earlier_days IS NOT NULL
            THEN LEAST(GREATEST(overlap_days.earlier_days, 0), 1000000000) + GREATEST(
                GREATEST(LEAST(overlap_days.date_to, CURRENT_DATE), '0001-01-01'::date)
                - GREATEST(LEAST(overlap_days.date_from, CURRENT_DATE + 1), '0001-01-01'::date)
                + 1,
                0
            )
        END;
END;

COMMENT ON FUNCTION connection_paths.overlap_days(date, date, integer) IS 'The days that the two contacts of an edge have in common until today';

REVOKE ALL ON FUNCTION connection_paths.overlap_days(date, date, integer) FROM PUBLIC;

-- connection_paths.wanted_edges(contact_ids, smaller_ends_only)
--
-- Computes the work_overlap edges that some contacts should have, each edge once.
--
-- Parameters
--     contact_ids        The contacts. NULL elements and repeated elements are ignored. A contact that does not exist
--                        gives no edges.
--     smaller_ends_only  true: only the edges whose smaller contact id is in contact_ids. false: every edge that
--                        touches one of the contacts. NULL means false.
-- Returns
--     contact_a_id     The smaller contact id of the edge.
--     contact_b_id     The greater contact id of the edge.
--     strength         The strength of the edge: see edge_strength.
--     shared_organizations  How many organizations the two shared.
--     organization_id  The organization where both worked.
--     date_from        The first day of the overlap.
--     date_to          The last day of the overlap. NULL: both work experiences continue.
--     earlier_days     How many days before date_from the two had in common: see overlap_days.
--     people           The size class of the smallest organization that the two shared.
-- Errors
--     none
-- Reads
--     live_contacts
-- Writes
--     none
-- Used by
--     write_differences
-- Why
--     The edges are those of work_overlaps. work_overlaps looks up each neighbour on its own, to leave out contacts
--     that do not exist. This function looks up all neighbours of all contacts at once, in the order of the index. The
--     index scan leaves out repeated ids. That saves a tenth of a sync that has nothing to write
--     (bench/results/sync.md).
--
--     OFFSET 0: each contact is looked up once, not once for each of its neighbours. NOT IN (SELECT): a hash of the
--     contacts, never a loop over them for every edge. IS TRUE: a hash of the ids that exist, not of whole edges.
--     PostgreSQL inlines this function into the calling query.
CREATE OR REPLACE FUNCTION connection_paths.wanted_edges(contact_ids bigint[], smaller_ends_only boolean)
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
    strength smallint,
    shared_organizations smallint,
    organization_id bigint,
    date_from date,
    date_to date,
    earlier_days integer,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 10000
BEGIN ATOMIC
    WITH chosen AS MATERIALIZED (
        SELECT DISTINCT c.id FROM unnest(wanted_edges.contact_ids) AS c (id) WHERE c.id IS NOT NULL
    ),
    possible AS MATERIALIZED (
        SELECT
            c.id AS contact_id,
            o.neighbour_id,
            o.organization_id,
            o.date_from,
            o.date_to,
            o.shared_organizations,
            o.earlier_days,
            o.people
        FROM (
            SELECT h.id
            FROM chosen AS h
            WHERE EXISTS (SELECT FROM connection_paths.live_contacts AS l WHERE l.id = h.id)
            OFFSET 0
        ) AS c
        CROSS JOIN LATERAL
            connection_paths.possible_overlaps(c.id, CASE WHEN wanted_edges.smaller_ends_only THEN c.id END) AS o
        -- an edge between two chosen contacts is computed from its smaller end
        WHERE c.id < o.neighbour_id OR o.neighbour_id NOT IN (SELECT h.id FROM chosen AS h)
    ),
    live AS MATERIALIZED (
        SELECT l.id
        FROM connection_paths.live_contacts AS l
        WHERE l.id = ANY (ARRAY(SELECT p.neighbour_id FROM possible AS p))
    )
    SELECT
        LEAST(p.contact_id, p.neighbour_id),
        GREATEST(p.contact_id, p.neighbour_id),
        connection_paths.edge_strength(
            connection_paths.overlap_days(p.date_from, p.date_to, p.earlier_days), p.people, p.shared_organizations
        ),
        p.shared_organizations,
        p.organization_id,
        p.date_from,
        p.date_to,
        p.earlier_days,
        p.people
    FROM possible AS p
    WHERE (p.neighbour_id IN (SELECT l.id FROM live AS l)) IS TRUE;
END;

COMMENT ON FUNCTION connection_paths.wanted_edges(bigint[], boolean) IS 'The work_overlap edges that some contacts should have, each once; part of write_edges';

REVOKE ALL ON FUNCTION connection_paths.wanted_edges(bigint[], boolean) FROM PUBLIC;

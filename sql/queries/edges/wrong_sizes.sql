-- Organizations whose size class has been wrong since their last count, which is too old: how many, and the one that is
-- furthest from its class.
--
-- number           how many
-- organization_id  the organization; NULL: none
-- people           its size class
-- counted          how many people are known to have worked there
SELECT
    count(*) AS number,
    (array_agg(w.organization_id ORDER BY w.distance DESC, w.organization_id))[1] AS organization_id,
    (array_agg(w.people ORDER BY w.distance DESC, w.organization_id))[1] AS people,
    (array_agg(w.counted ORDER BY w.distance DESC, w.organization_id))[1] AS counted
FROM (
    SELECT
        c.organization_id,
        c.people,
        c.counted,
        abs(ln(GREATEST(c.counted, 1)::double precision / c.people)) AS distance
    FROM (
        SELECT s.organization_id, s.people, connection_paths.known_people(s.organization_id) AS counted
        FROM connection_paths.organization_sizes AS s
        WHERE s.counted_at <= now() - connection_paths.count_is_good_for()
            AND EXISTS (SELECT FROM connection_paths.known_organizations AS o WHERE o.id = s.organization_id)
        OFFSET 0
    ) AS c
    WHERE NOT connection_paths.class_fits(c.people, c.counted)
) AS w

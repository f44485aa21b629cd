-- Returns how many ids a table has more than once, and the smallest of them.
-- `ids` has every row of the table; the caller puts it in front of this query as a CTE.
SELECT count(*), min(d.id)
FROM (SELECT i.id FROM ids AS i WHERE i.id IS NOT NULL GROUP BY i.id HAVING count(*) > 1) AS d

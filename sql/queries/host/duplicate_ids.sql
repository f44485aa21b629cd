-- Returns how many ids a table has more than once, and the smallest of them.
-- `every_row` has every row of the table; the caller puts in the name of a CTE.
SELECT count(*), min(d.id)
FROM (SELECT i.id FROM every_row AS i WHERE i.id IS NOT NULL GROUP BY i.id HAVING count(*) > 1) AS d

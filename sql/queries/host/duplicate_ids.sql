-- Ids that a table has more than once: how many such ids, and the smallest of them.
-- `ids` is every row of the table, put before this by the caller.
SELECT count(*), min(d.id)
FROM (SELECT i.id FROM ids AS i WHERE i.id IS NOT NULL GROUP BY i.id HAVING count(*) > 1) AS d

-- The most frequent texts that a function for expressions reads as NULL, with their number, and the number of all.
--
-- `texts` has the text and the result of each row; the caller puts it in front of this query as a CTE.
SELECT t.value, count(*), sum(count(*)) OVER ()
FROM texts AS t
WHERE t.result IS NULL
    AND t.value ~ '[^[:space:]]'
GROUP BY t.value
ORDER BY count(*) DESC, t.value
LIMIT 3

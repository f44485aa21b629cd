-- deep_finder, and a millisecond of sleep in each call.
DROP SCHEMA IF EXISTS bench_verdicts CASCADE;
CREATE SCHEMA bench_verdicts;
CREATE FUNCTION bench_verdicts.slower(bigint, bigint, bigint, integer, integer, text, integer)
RETURNS TABLE (
    depth integer,
    user_id bigint,
    contact_ids bigint[],
    organization_ids bigint[],
    date_froms date[],
    date_tos date[],
    recency date
)
LANGUAGE sql
STABLE
AS $body$
    SELECT d.*
    FROM connection_paths.deep_finder($1, $2, $3, $4, $5, $6, $7) AS d
    RIGHT JOIN pg_sleep(0.001) ON true
    WHERE d.depth IS NOT NULL
$body$

-- Looks for the organizations that the next company names may mean.
--
-- Parameters: at_most, min_score, accept_unique, batch_id.
SELECT p.taken, p.proposed, p.accepted
FROM connection_paths.propose_names(
    %(at_most)s::integer, %(min_score)s::real, %(accept_unique)s::boolean, %(batch_id)s::bigint
) AS p

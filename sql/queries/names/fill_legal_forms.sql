-- Makes the table legal_forms equal to a list of legal forms; returns how many forms were added or deleted.
--
-- Parameter: forms.
WITH wanted AS (
    SELECT DISTINCT connection_paths.plain_name(f.form) COLLATE "C" AS form
    FROM unnest(%(forms)s::text[]) AS f (form)
    WHERE connection_paths.plain_name(f.form) <> ''
),
deleted AS (
    DELETE FROM connection_paths.legal_forms AS l
    WHERE NOT EXISTS (SELECT FROM wanted AS w WHERE w.form = l.form)
    RETURNING 1
),
added AS (
    INSERT INTO connection_paths.legal_forms (form, last_word, words)
    SELECT w.form, s.words[cardinality(s.words)], cardinality(s.words)
    FROM wanted AS w
    CROSS JOIN LATERAL (SELECT string_to_array(w.form, ' ') AS words) AS s
    ON CONFLICT (form) DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM added)

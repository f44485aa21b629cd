-- connection_paths.displayed_paths(documents, with_names, ids_as_text)
--
-- Adds names to the paths of a document, and writes their ids as text.
--
-- Parameters
--     documents    The JSON array of path_documents. NULL gives NULL.
--     with_names   True: add the names of contacts, organizations and, where mapped, users.
--     ids_as_text  True: every id is a string.
-- Returns
--     The same array. With names, a path has the keys user_names and contact_names, in the order of user_ids and
--     contact_ids, and a hop has from_name, to_name and organization_name. A name is null where the caller may not see
--     its row, and where there is none.
-- Errors
--     42501  With names: the role may not read one of these tables.
-- Reads
--     known_organizations, live_contacts, live_users
-- Writes
--     none
-- Used by
--     path_documents
-- Why
--     A call without names and with numbers as ids does not run this function. So such a call needs no right to read
--     the table of users, and its plan contains no table of names.
--     A JSON object of names is searched by halving. A join would need one of its sides sorted or hashed for each path.
CREATE OR REPLACE FUNCTION connection_paths.displayed_paths(documents jsonb, with_names boolean, ids_as_text boolean)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    user_names jsonb;
    contact_names jsonb;
    organization_names jsonb;
BEGIN
    IF with_names THEN
        SELECT jsonb_object_agg(u.id, u.name)
        INTO user_names
        FROM connection_paths.live_users AS u
        WHERE u.id = ANY (ARRAY(SELECT jsonb_path_query(documents, '$[*].user_ids[*]')::bigint));
        SELECT jsonb_object_agg(c.id, c.name)
        INTO contact_names
        FROM connection_paths.live_contacts AS c
        WHERE c.id = ANY (ARRAY(SELECT jsonb_path_query(documents, '$[*].contact_ids[*]')::bigint));
        SELECT jsonb_object_agg(o.id, o.name)
        INTO organization_names
        FROM connection_paths.known_organizations AS o
        WHERE o.id = ANY (
            ARRAY(SELECT jsonb_path_query(documents, '$[*].hops[*].organization_id ? (@ != null)')::bigint)
        );
    END IF;
    RETURN (
        SELECT jsonb_agg(
            p.path
            || CASE WHEN with_names THEN jsonb_build_object(
                'user_names', (
                    SELECT jsonb_agg(user_names -> i.id ORDER BY i.place)
                    FROM jsonb_array_elements_text(p.path -> 'user_ids') WITH ORDINALITY AS i (id, place)
                ),
                'contact_names', (
                    SELECT jsonb_agg(contact_names -> i.id ORDER BY i.place)
                    FROM jsonb_array_elements_text(p.path -> 'contact_ids') WITH ORDINALITY AS i (id, place)
                )
            ) ELSE '{}' END
            || CASE WHEN ids_as_text THEN jsonb_build_object(
                'user_ids', ARRAY(SELECT jsonb_array_elements_text(p.path -> 'user_ids')),
                'contact_ids', ARRAY(SELECT jsonb_array_elements_text(p.path -> 'contact_ids'))
            ) ELSE '{}' END
            || jsonb_build_object(
                'hops', (
                    SELECT COALESCE(
                        jsonb_agg(
                            h.hop
                            || CASE WHEN with_names THEN jsonb_build_object(
                                'from_name', contact_names -> (h.hop ->> 'from'),
                                'to_name', contact_names -> (h.hop ->> 'to'),
                                'organization_name', organization_names -> (h.hop ->> 'organization_id')
                            ) ELSE '{}' END
                            || CASE WHEN ids_as_text THEN jsonb_build_object(
                                'from', h.hop ->> 'from',
                                'to', h.hop ->> 'to',
                                'organization_id', h.hop ->> 'organization_id'
                            ) ELSE '{}' END
                            ORDER BY h.place
                        ),
                        '[]'
                    )
                    FROM jsonb_array_elements(p.path -> 'hops') WITH ORDINALITY AS h (hop, place)
                )
            )
            ORDER BY p.place
        )
        FROM jsonb_array_elements(documents) WITH ORDINALITY AS p (path, place)
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.displayed_paths(jsonb, boolean, boolean) IS 'The paths of a document with names, and with ids as text; part of find_paths';

REVOKE ALL ON FUNCTION connection_paths.displayed_paths(jsonb, boolean, boolean) FROM PUBLIC;

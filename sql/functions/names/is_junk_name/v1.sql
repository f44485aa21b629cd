-- connection_paths.is_junk_name(words)
--
-- Whether a name is a junk name, which people write when they have no employer, such as Self-employed.
--
-- Parameters
--     words  A name as plain_name returns it, without its legal form. NULL gives NULL.
-- Returns
--     true for such names, for names of one letter, and for names of digits only.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     propose_names, sql/queries/host/junk_names.sql
-- Why
--     People who write Freelance did not work together, even if an organization has this name. A person may still
--     accept such a name. The list has names in several languages, as plain_name writes them.
CREATE OR REPLACE FUNCTION connection_paths.is_junk_name(words text)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT length(is_junk_name.words) < 2
        OR is_junk_name.words ~ '^[0-9 ]+$'
        OR is_junk_name.words = ANY (
            '{
                self, self employed, selfemployed, self employment, freelance, freelancer, freelancing, independent,
                independent consultant, independent contractor, consultant, consulting, contractor, various,
                various companies, several companies, multiple, multiple companies, confidential,
                confidential company, private, private company, stealth, stealth startup, stealth mode,
                stealth mode startup, startup, start up, own business, own company, my own company, none, na, n a,
                not applicable, unknown, undisclosed, unemployed, retired, student, homemaker, sabbatical,
                career break, parental leave, looking for opportunities, open to work, seeking opportunities, home,
                company, test, tbd, other, self employed freelancer, freelance consultant, between jobs,
                currently unemployed, job seeker, stay at home mom, stay at home parent, volunteer,
                selbststandig, selbstandig, freiberufler, freiberuflich, freischaffend, arbeitslos, arbeitssuchend,
                arbeitsuchend, rentner, im ruhestand, diverse, diverse firmen, verschiedene, vertraulich, elternzeit,
                independant, auto entrepreneur, autoentrepreneur, micro entrepreneur, a mon compte, sans emploi,
                profession liberale, recherche d emploi, recherche demploi, retraite, etudiant, divers, confidentiel,
                autonomo, autonoma, trabajador autonomo, por cuenta propia, cuenta propia, trabajo independiente,
                independiente, desempleado, jubilado, estudiante, varios, confidencial,
                profissional liberal, trabalhador independente, desempregado, aposentado, estudante, diversos,
                libero professionista, lavoratore autonomo, in proprio, disoccupato, pensionato, studente, varie,
                zelfstandig, zelfstandige, zelfstandig ondernemer, zzp, zzper, werkloos, gepensioneerd,
                samozatrudnienie, wlasna dzialalnosc, dzialalnosc gospodarcza, emeryt,
                egenforetagare, eget foretag, egen virksomhet, selvstaendig, selvstendig, pensionerad, arbetslos,
                serbest, serbest calisan, emekli, issiz
            }'::text[]
        );
END;

COMMENT ON FUNCTION connection_paths.is_junk_name(text) IS 'Whether a name is a junk name, such as self employed; part of propose_names';

REVOKE ALL ON FUNCTION connection_paths.is_junk_name(text) FROM PUBLIC;

DROP VIEW IF EXISTS connection_paths.live_contacts;
DROP VIEW IF EXISTS connection_paths.live_organizations;
DROP VIEW IF EXISTS connection_paths.collection_members;
DROP VIEW IF EXISTS connection_paths.work_experiences;

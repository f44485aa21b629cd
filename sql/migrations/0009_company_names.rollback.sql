DROP TABLE IF EXISTS connection_paths.name_changes;
DROP SEQUENCE IF EXISTS connection_paths.name_batch_ids;
DROP TABLE IF EXISTS connection_paths.name_decision_history;
DROP TABLE IF EXISTS connection_paths.name_decisions;
DROP TABLE IF EXISTS connection_paths.name_proposals;
DROP TABLE IF EXISTS connection_paths.company_names;
DROP TABLE IF EXISTS connection_paths.organization_names;
DROP TABLE IF EXISTS connection_paths.legal_forms;

-- The tables in which yoyo records the migrations that were applied, as yoyo creates them. yoyo runs the migrations for
-- `orchestrator install`.
CREATE TABLE IF NOT EXISTS connection_paths._yoyo_migration (
    migration_hash varchar(64),
    migration_id varchar(255),
    applied_at_utc timestamp,
    PRIMARY KEY (migration_hash)
);

CREATE TABLE IF NOT EXISTS connection_paths._yoyo_log (
    id varchar(36),
    migration_hash varchar(64),
    migration_id varchar(255),
    operation varchar(10),
    username varchar(255),
    hostname varchar(255),
    comment varchar(255),
    created_at_utc timestamp,
    PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS connection_paths._yoyo_version (
    version integer NOT NULL PRIMARY KEY,
    installed_at_utc timestamp
);

CREATE TABLE IF NOT EXISTS connection_paths.yoyo_lock (
    locked integer DEFAULT 1,
    ctime timestamp,
    pid integer NOT NULL,
    PRIMARY KEY (locked)
);

INSERT INTO connection_paths._yoyo_version (version, installed_at_utc)
SELECT 2, now() AT TIME ZONE 'UTC'
WHERE NOT EXISTS (SELECT FROM connection_paths._yoyo_version AS v WHERE v.version = 2);

REVOKE ALL ON TABLE
    connection_paths._yoyo_migration, connection_paths._yoyo_log, connection_paths._yoyo_version,
    connection_paths.yoyo_lock
FROM PUBLIC;

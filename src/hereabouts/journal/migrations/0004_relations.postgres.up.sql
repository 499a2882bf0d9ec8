-- Who may watch whom, as the host has set it.

CREATE TABLE relations (
    tenant   TEXT   COLLATE "C" NOT NULL,
    watcher  TEXT   COLLATE "C" NOT NULL,
    watched  TEXT   COLLATE "C" NOT NULL,
    since_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, watcher, watched)
);

CREATE INDEX relations_watched ON relations (tenant, watched);

-- Who may watch whom, as the host has set it.

CREATE TABLE relations (
    tenant   TEXT    NOT NULL,
    watcher  TEXT    NOT NULL,
    watched  TEXT    NOT NULL,
    since_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, watcher, watched)
) STRICT, WITHOUT ROWID;

CREATE INDEX relations_watched ON relations (tenant, watched);

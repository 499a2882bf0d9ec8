-- From where sessions were reached; written only where the settings ask for it.
CREATE TABLE origins (
    tenant     TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    user_id    TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    agent      TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (tenant, session_id, at)
) STRICT, WITHOUT ROWID;

CREATE INDEX origins_of_user ON origins (tenant, user_id);
CREATE INDEX origins_at ON origins (at);

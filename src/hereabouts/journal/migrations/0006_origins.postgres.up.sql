-- From where sessions were reached; written only where the settings ask for it.
CREATE TABLE origins (
    tenant     TEXT   COLLATE "C" NOT NULL,
    session_id TEXT   COLLATE "C" NOT NULL,
    user_id    TEXT   COLLATE "C" NOT NULL,
    address    TEXT   NOT NULL,
    agent      TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (tenant, session_id, at)
);

CREATE INDEX origins_of_user ON origins (tenant, user_id);
CREATE INDEX origins_at ON origins (at);

-- What admins set and did. Times end in _at and are milliseconds since the epoch.

-- The policy that is set at run time; the newest version is in force, and NULL in it says that there is none.
CREATE TABLE policy_versions (
    version BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    reason  TEXT,
    policy  TEXT
);

CREATE TABLE audit (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant  TEXT   COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    target  TEXT   NOT NULL,
    user_id TEXT   COLLATE "C",
    reason  TEXT,
    origin  TEXT,
    details TEXT   NOT NULL
);

CREATE INDEX audit_of_tenant ON audit (tenant, id);
CREATE INDEX audit_of_user ON audit (tenant, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_at ON audit (at);

CREATE TABLE cooldowns (
    tenant   TEXT   COLLATE "C" NOT NULL,
    kind     TEXT   NOT NULL CHECK (kind IN ('session', 'user', 'room', 'member', 'holding')),
    id       TEXT   COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    reason   TEXT,
    PRIMARY KEY (tenant, kind, id)
);

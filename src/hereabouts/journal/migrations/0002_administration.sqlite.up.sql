-- What admins set and did. Times end in _at and are milliseconds since the epoch.

-- The policy that is set at run time; the newest version is in force, and NULL in it says that there is none.
CREATE TABLE policy_versions (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    reason  TEXT,
    policy  TEXT
) STRICT;

-- AUTOINCREMENT, so that an id which was forgotten never comes again and a cursor stays good.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant  TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    target  TEXT    NOT NULL,
    user_id TEXT,
    reason  TEXT,
    origin  TEXT,
    details TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_of_tenant ON audit (tenant, id);
CREATE INDEX audit_of_user ON audit (tenant, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_at ON audit (at);

CREATE TABLE cooldowns (
    tenant   TEXT    NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('session', 'user', 'room', 'member', 'holding')),
    id       TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    until_at INTEGER NOT NULL,
    reason   TEXT,
    PRIMARY KEY (tenant, kind, id)
) STRICT, WITHOUT ROWID;

-- The record. Times end in _at and are milliseconds since the epoch.

CREATE TABLE sessions (
    tenant         TEXT    NOT NULL,
    session_id     TEXT    NOT NULL,
    user_id        TEXT    NOT NULL,
    node           TEXT    NOT NULL,
    platform       TEXT,
    opened_at      INTEGER NOT NULL,
    closed_at      INTEGER,
    cause          TEXT,
    last_seen_at   INTEGER,
    is_approximate INTEGER NOT NULL DEFAULT 0 CHECK (is_approximate IN (0, 1)),
    PRIMARY KEY (tenant, session_id)
) STRICT, WITHOUT ROWID;

-- What a crash left open, and what is old enough to be forgotten.
CREATE INDEX sessions_open ON sessions (node) WHERE closed_at IS NULL;
CREATE INDEX sessions_closed ON sessions (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE transitions (
    id      INTEGER PRIMARY KEY,
    tenant  TEXT    NOT NULL,
    user_id TEXT    NOT NULL,
    before  TEXT    NOT NULL,
    after   TEXT    NOT NULL,
    cause   TEXT,
    at      INTEGER NOT NULL
) STRICT;

-- Unique, so that a batch that is written a second time after an uncertain failure changes nothing.
CREATE UNIQUE INDEX transitions_of_user ON transitions (tenant, user_id, at, before, after);
CREATE INDEX transitions_at ON transitions (at);

-- The public values are what others are told; they stand still while the user is invisible.
CREATE TABLE last_seen (
    tenant           TEXT NOT NULL,
    user_id          TEXT NOT NULL,
    seen_at          INTEGER,
    active_at        INTEGER,
    public_seen_at   INTEGER,
    public_active_at INTEGER,
    PRIMARY KEY (tenant, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE declared (
    tenant   TEXT    NOT NULL,
    user_id  TEXT    NOT NULL,
    status   TEXT    NOT NULL,
    text     TEXT,
    emoji    TEXT,
    until_at INTEGER,
    at       INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE revocations (
    tenant   TEXT    NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('user', 'token')),
    id       TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    until_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
    node     TEXT    NOT NULL PRIMARY KEY,
    alive_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE handover (
    id             INTEGER PRIMARY KEY,
    payload        BLOB    NOT NULL,
    valid_until_at INTEGER NOT NULL
) STRICT;

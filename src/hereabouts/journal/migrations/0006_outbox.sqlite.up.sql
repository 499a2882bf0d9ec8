-- Events for other servers. Positions are never used twice, so that a cursor stays good.
CREATE TABLE events (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT    NOT NULL UNIQUE,
    tenant  TEXT    NOT NULL,
    type    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    user_id TEXT,
    room    TEXT,
    at      INTEGER NOT NULL,
    data    BLOB    NOT NULL
) STRICT;

CREATE INDEX events_of_user ON events (tenant, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX events_at ON events (at);

-- What an endpoint has not had. A delivery that was made is deleted.
CREATE TABLE deliveries (
    endpoint       TEXT    NOT NULL,
    seq            INTEGER NOT NULL REFERENCES events (seq) ON DELETE CASCADE,
    attempts       INTEGER NOT NULL DEFAULT 0,
    first_tried_at INTEGER,
    error          TEXT,
    is_dead        INTEGER NOT NULL DEFAULT 0 CHECK (is_dead IN (0, 1)),
    PRIMARY KEY (endpoint, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_of_event ON deliveries (seq);
CREATE INDEX deliveries_waiting ON deliveries (endpoint, seq) WHERE is_dead = 0;

-- Whom the events so far left as present.
CREATE TABLE standings (
    tenant  TEXT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('user', 'member', 'resource')),
    place   TEXT NOT NULL,
    user_id TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, place, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE disabled_endpoints (
    endpoint    TEXT    NOT NULL PRIMARY KEY,
    disabled_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

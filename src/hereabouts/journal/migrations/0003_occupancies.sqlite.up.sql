-- Who holds what. Times end in _at and are milliseconds since the epoch.

-- The newest place in the history of a kind, and the newest fencing number; neither ever goes back.
CREATE TABLE occupancy_kinds (
    tenant  TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    epoch   TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    fencing INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE occupancies (
    tenant             TEXT    NOT NULL,
    resource           TEXT    NOT NULL,
    user_id            TEXT    NOT NULL,
    kind               TEXT    NOT NULL,
    since_at           INTEGER NOT NULL,
    fencing            INTEGER NOT NULL,
    last_active_at     INTEGER NOT NULL,
    name               TEXT,
    role               TEXT,
    ends_with_sessions INTEGER NOT NULL CHECK (ends_with_sessions IN (0, 1)),
    PRIMARY KEY (tenant, resource, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX occupancies_of_user ON occupancies (tenant, user_id, kind);

CREATE TABLE occupancy_events (
    tenant        TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    seq           INTEGER NOT NULL,
    event         TEXT    NOT NULL CHECK (event IN ('occupied', 'released', 'moved')),
    resource      TEXT    NOT NULL,
    user_id       TEXT    NOT NULL,
    fencing       INTEGER NOT NULL,
    since_at      INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    from_resource TEXT,
    loser_id      TEXT,
    cause         TEXT,
    PRIMARY KEY (tenant, kind, seq)
) STRICT, WITHOUT ROWID;

-- What is old enough to be forgotten, and what is said of one user.
CREATE INDEX occupancy_events_at ON occupancy_events (at);
CREATE INDEX occupancy_events_of_user ON occupancy_events (tenant, user_id, at);

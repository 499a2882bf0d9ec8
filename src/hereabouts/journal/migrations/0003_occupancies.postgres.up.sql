-- Who holds what. Times end in _at and are milliseconds since the epoch.

-- The newest place in the history of a kind, and the newest fencing number; neither ever goes back. Whoever decides of
-- a kind locks its row first.
CREATE TABLE occupancy_kinds (
    tenant  TEXT   COLLATE "C" NOT NULL,
    kind    TEXT   COLLATE "C" NOT NULL,
    epoch   TEXT   NOT NULL,
    seq     BIGINT NOT NULL,
    fencing BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind)
) WITH (fillfactor = 50);

CREATE TABLE occupancies (
    tenant             TEXT    COLLATE "C" NOT NULL,
    resource           TEXT    COLLATE "C" NOT NULL,
    user_id            TEXT    COLLATE "C" NOT NULL,
    kind               TEXT    COLLATE "C" NOT NULL,
    since_at           BIGINT  NOT NULL,
    fencing            BIGINT  NOT NULL,
    last_active_at     BIGINT  NOT NULL,
    name               TEXT,
    role               TEXT,
    ends_with_sessions BOOLEAN NOT NULL,
    PRIMARY KEY (tenant, resource, user_id)
) WITH (fillfactor = 80);

CREATE INDEX occupancies_of_user ON occupancies (tenant, user_id, kind);

CREATE TABLE occupancy_events (
    tenant        TEXT   COLLATE "C" NOT NULL,
    kind          TEXT   COLLATE "C" NOT NULL,
    seq           BIGINT NOT NULL,
    event         TEXT   NOT NULL CHECK (event IN ('occupied', 'released', 'moved')),
    resource      TEXT   COLLATE "C" NOT NULL,
    user_id       TEXT   COLLATE "C" NOT NULL,
    fencing       BIGINT NOT NULL,
    since_at      BIGINT NOT NULL,
    at            BIGINT NOT NULL,
    from_resource TEXT   COLLATE "C",
    loser_id      TEXT   COLLATE "C",
    cause         TEXT,
    PRIMARY KEY (tenant, kind, seq)
);

-- What is old enough to be forgotten, and what is said of one user.
CREATE INDEX occupancy_events_at ON occupancy_events (at);
CREATE INDEX occupancy_events_of_user ON occupancy_events (tenant, user_id, at);

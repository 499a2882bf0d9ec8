-- The record. Times end in _at and are milliseconds since the epoch. Ids are compared byte by byte (COLLATE "C"), which
-- is the order of their characters.

CREATE TABLE sessions (
    tenant         TEXT    COLLATE "C" NOT NULL,
    session_id     TEXT    COLLATE "C" NOT NULL,
    user_id        TEXT    COLLATE "C" NOT NULL,
    node           TEXT    NOT NULL,
    platform       TEXT,
    opened_at      BIGINT  NOT NULL,
    closed_at      BIGINT,
    cause          TEXT,
    last_seen_at   BIGINT,
    is_approximate BOOLEAN NOT NULL DEFAULT FALSE,
    region         TEXT,
    detected_at    BIGINT,
    PRIMARY KEY (tenant, session_id)
);

-- What a crash left open, what is old enough to be forgotten, and what questions about the past need.
CREATE INDEX sessions_open ON sessions (node) WHERE closed_at IS NULL;
CREATE INDEX sessions_closed ON sessions (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX sessions_of_user ON sessions (tenant, user_id, opened_at);
CREATE INDEX sessions_of_time ON sessions (tenant, closed_at, opened_at);
CREATE INDEX sessions_detected ON sessions (tenant, detected_at) WHERE detected_at IS NOT NULL;

CREATE TABLE transitions (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant  TEXT   COLLATE "C" NOT NULL,
    user_id TEXT   COLLATE "C" NOT NULL,
    before  TEXT   NOT NULL,
    after   TEXT   NOT NULL,
    cause   TEXT,
    at      BIGINT NOT NULL
);

-- Unique, so that a batch that is written a second time after an uncertain failure changes nothing.
CREATE UNIQUE INDEX transitions_of_user ON transitions (tenant, user_id, at, before, after);
CREATE INDEX transitions_at ON transitions (at);
-- Covers the curve of who was online.
CREATE INDEX transitions_of_time ON transitions (tenant, at, before, after);

-- The public values are what others are told; they stand still while the user is invisible.
-- No index on what changes, and room in each page: an update stays in its page and writes no index (HOT).
CREATE TABLE last_seen (
    tenant           TEXT COLLATE "C" NOT NULL,
    user_id          TEXT COLLATE "C" NOT NULL,
    seen_at          BIGINT,
    active_at        BIGINT,
    public_seen_at   BIGINT,
    public_active_at BIGINT,
    PRIMARY KEY (tenant, user_id)
) WITH (fillfactor = 60);

CREATE TABLE declared (
    tenant   TEXT   COLLATE "C" NOT NULL,
    user_id  TEXT   COLLATE "C" NOT NULL,
    status   TEXT   NOT NULL,
    text     TEXT,
    emoji    TEXT,
    until_at BIGINT,
    at       BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id)
) WITH (fillfactor = 80);

CREATE TABLE revocations (
    tenant   TEXT   COLLATE "C" NOT NULL,
    kind     TEXT   NOT NULL CHECK (kind IN ('user', 'token')),
    id       TEXT   COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, id)
);

CREATE TABLE nodes (
    node     TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    alive_at BIGINT NOT NULL
) WITH (fillfactor = 20);

-- Each node hands over to its own next process.
CREATE TABLE handover (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node           TEXT   COLLATE "C" NOT NULL,
    payload        BYTEA  NOT NULL,
    valid_until_at BIGINT NOT NULL
);

CREATE INDEX handover_of_node ON handover (node);

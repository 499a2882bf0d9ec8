-- Events for other servers. Positions are never used twice, so that a cursor stays good, and are given in the order of
-- commits: whoever writes events holds one lock until then.
CREATE TABLE events (
    seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id      TEXT   NOT NULL UNIQUE,
    tenant  TEXT   COLLATE "C" NOT NULL,
    type    TEXT   NOT NULL,
    subject TEXT   COLLATE "C" NOT NULL,
    user_id TEXT   COLLATE "C",
    room    TEXT   COLLATE "C",
    at      BIGINT NOT NULL,
    data    BYTEA  NOT NULL
);

CREATE INDEX events_of_user ON events (tenant, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX events_at ON events (at);

-- What an endpoint has not had. A delivery that was made is deleted.
CREATE TABLE deliveries (
    endpoint       TEXT    COLLATE "C" NOT NULL,
    seq            BIGINT  NOT NULL REFERENCES events (seq) ON DELETE CASCADE,
    attempts       INTEGER NOT NULL DEFAULT 0,
    first_tried_at BIGINT,
    error          TEXT,
    is_dead        BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (endpoint, seq)
) WITH (fillfactor = 80);

CREATE INDEX deliveries_of_event ON deliveries (seq);
CREATE INDEX deliveries_waiting ON deliveries (endpoint, seq) WHERE NOT is_dead;

-- Whom the events so far left as present.
CREATE TABLE standings (
    tenant  TEXT COLLATE "C" NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('user', 'member', 'resource')),
    place   TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, place, user_id)
) WITH (fillfactor = 80);

CREATE TABLE disabled_endpoints (
    endpoint    TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    disabled_at BIGINT NOT NULL
);

-- Which node delivers events. A new term means that what waits is to be read anew.
CREATE TABLE outbox_lease (
    is_only     BOOLEAN     NOT NULL PRIMARY KEY DEFAULT TRUE CHECK (is_only),
    node        TEXT        COLLATE "C" NOT NULL,
    incarnation BIGINT      NOT NULL,
    term        BIGINT      NOT NULL,
    until       TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

-- Nodes write beside each other, so a row may come after one that followed it. Where the feed stood tells which is the
-- newer; of somebody who is gone it is kept, with no value, until such a row can come no more.
ALTER TABLE standings
    ALTER COLUMN value DROP NOT NULL,
    ADD COLUMN epoch TEXT COLLATE "C",
    ADD COLUMN seq BIGINT,
    ADD COLUMN at BIGINT;

CREATE INDEX standings_gone ON standings (at) WHERE value IS NULL;

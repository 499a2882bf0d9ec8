-- What questions about the past need. The region is told by a token or a proxy, never worked out from an address;
-- detected_at is when an end without a word was noticed, where that was later than closed_at says.

ALTER TABLE sessions ADD COLUMN region TEXT;
ALTER TABLE sessions ADD COLUMN detected_at INTEGER;

CREATE INDEX sessions_of_user ON sessions (tenant, user_id, opened_at);
CREATE INDEX sessions_of_time ON sessions (tenant, closed_at, opened_at, cause, last_seen_at);
CREATE INDEX sessions_detected ON sessions (tenant, detected_at) WHERE detected_at IS NOT NULL;

-- Covers the curve of who was online: the rows themselves are not read.
CREATE INDEX transitions_of_time ON transitions (tenant, at, before, after);

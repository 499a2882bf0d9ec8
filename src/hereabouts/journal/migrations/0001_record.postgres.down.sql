DROP TABLE handover;
DROP TABLE nodes;
DROP TABLE revocations;
DROP TABLE declared;
DROP TABLE last_seen;
DROP TABLE transitions;
DROP TABLE sessions;

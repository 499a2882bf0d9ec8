DROP INDEX transitions_of_time;
DROP INDEX sessions_detected;
DROP INDEX sessions_of_time;
DROP INDEX sessions_of_user;
ALTER TABLE sessions DROP COLUMN detected_at;
ALTER TABLE sessions DROP COLUMN region;

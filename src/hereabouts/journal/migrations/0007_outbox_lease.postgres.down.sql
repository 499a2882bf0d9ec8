DELETE FROM standings WHERE value IS NULL;

DROP INDEX standings_gone;

ALTER TABLE standings
    ALTER COLUMN value SET NOT NULL,
    DROP COLUMN epoch,
    DROP COLUMN seq,
    DROP COLUMN at;

DROP TABLE outbox_lease;

-- What SQLite has of its own is not relied on any more, so that PostgreSQL can have the same.

-- In which order dead letters came.
CREATE TABLE dead_letters_by_arrival (
    arrival       INTEGER PRIMARY KEY AUTOINCREMENT,
    topic         TEXT    NOT NULL,
    partition     INTEGER NOT NULL,
    "offset"      INTEGER NOT NULL,
    reason        TEXT    NOT NULL,
    detail        TEXT    NOT NULL,
    record_time   INTEGER,
    payload       TEXT    NOT NULL,
    payload_bytes INTEGER NOT NULL,
    UNIQUE (topic, partition, "offset")
) STRICT;
INSERT INTO dead_letters_by_arrival
    (topic, partition, "offset", reason, detail, record_time, payload, payload_bytes)
SELECT topic, partition, "offset", reason, detail, record_time, payload, payload_bytes
FROM dead_letters ORDER BY rowid;
DROP TABLE dead_letters;
ALTER TABLE dead_letters_by_arrival RENAME TO dead_letters;
CREATE INDEX dead_letters_by_reason ON dead_letters (reason);

-- The vendors that each alert's key is stored with.
CREATE TABLE alert_vendors (
    alert_id TEXT NOT NULL REFERENCES alerts (alert_id),
    vendor   TEXT NOT NULL,
    PRIMARY KEY (alert_id, vendor)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_vendors_by_vendor ON alert_vendors (vendor);
INSERT INTO alert_vendors (alert_id, vendor)
SELECT DISTINCT alert_id, vendor.value
FROM alerts, json_each(alerts.body, '$.stored_with') AS vendor;

-- Which instance said how a key stands.
ALTER TABLE standings ADD COLUMN instance TEXT NOT NULL DEFAULT '';

-- What one instance of several does for all, until when.
CREATE TABLE leases (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 4;

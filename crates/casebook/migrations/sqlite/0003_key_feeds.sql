-- How far each polled feed was read; `position` is the poller's own text.
CREATE TABLE poll_positions (
    feed      TEXT    PRIMARY KEY,
    position  TEXT    NOT NULL,
    stored_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys that lists and audit logs of providers named. `listed` says that a list had it, whose
-- account is believed before that of an audit log.
CREATE TABLE seen_keys (
    provider   TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    key_id     TEXT    NOT NULL,
    listed     INTEGER NOT NULL CHECK (listed IN (0, 1)),
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    last_used  INTEGER,
    PRIMARY KEY (provider, account, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_keys_by_id ON seen_keys (provider, key_id);

-- What was true of a key from when to when, as far as it was seen: `first_at` is the first time
-- and `last_at` the last time that it was seen so without anything else in between.
CREATE TABLE key_history (
    provider TEXT    NOT NULL,
    account  TEXT    NOT NULL,
    key_id   TEXT    NOT NULL,
    fact     TEXT    NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    value    TEXT    NOT NULL,
    actor    TEXT,
    source   TEXT    NOT NULL CHECK (source IN ('list', 'audit')),
    PRIMARY KEY (provider, account, key_id, fact, first_at, value)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 3;

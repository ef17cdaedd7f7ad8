-- Times are milliseconds since the epoch in UTC, money is nano-dollars,
-- severities are ranks from 0 (info) to 4 (critical).

CREATE TABLE incidents (
    incident_id TEXT    PRIMARY KEY,
    account     TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('open', 'ended')),
    severity    INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 4),
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    keys        INTEGER NOT NULL,
    cost_nanos  INTEGER NOT NULL,
    burn_usd_per_hour REAL NOT NULL
) STRICT;
CREATE INDEX incidents_by_account ON incidents (account, last_seen);

-- The newest revision of each alert; `body` is the alert as `schemas/alert.v1.schema.json` has it.
CREATE TABLE alerts (
    alert_id    TEXT    PRIMARY KEY,
    revision    INTEGER NOT NULL,
    incident_id TEXT    NOT NULL REFERENCES incidents (incident_id),
    provider    TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    key_id      TEXT    NOT NULL,
    severity    INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 4),
    score       REAL    NOT NULL,
    first_seen  INTEGER NOT NULL,
    raised_at   INTEGER NOT NULL,
    cost_nanos  INTEGER NOT NULL,
    burn_usd_per_hour REAL NOT NULL,
    ended       INTEGER NOT NULL CHECK (ended IN (0, 1)),
    body        TEXT    NOT NULL
) STRICT;
CREATE INDEX alerts_by_incident ON alerts (incident_id);
CREATE INDEX alerts_by_key ON alerts (key_id, account);
CREATE INDEX alerts_by_time ON alerts (raised_at);

-- What each revision said, for the timeline.
CREATE TABLE alert_revisions (
    alert_id   TEXT    NOT NULL REFERENCES alerts (alert_id),
    revision   INTEGER NOT NULL,
    raised_at  INTEGER NOT NULL,
    severity   INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 4),
    cost_nanos INTEGER NOT NULL,
    burn_usd_per_hour REAL NOT NULL,
    ended      INTEGER NOT NULL CHECK (ended IN (0, 1)),
    PRIMARY KEY (alert_id, revision)
) STRICT, WITHOUT ROWID;

-- One row for each message to people; the primary key makes a replay unable to add another.
CREATE TABLE outbox (
    incident_id     TEXT    NOT NULL REFERENCES incidents (incident_id),
    channel         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL CHECK (sequence >= 0),
    idempotency_key TEXT    NOT NULL UNIQUE,
    state           TEXT    NOT NULL DEFAULT 'pending'
                            CHECK (state IN ('pending', 'sent', 'dead', 'suppressed')),
    held            INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    raised_at       INTEGER NOT NULL,
    next_at         INTEGER NOT NULL DEFAULT 0,
    attempts        INTEGER NOT NULL DEFAULT 0,
    first_attempt_at INTEGER,
    last_attempt_at INTEGER,
    finished_at     INTEGER,
    receipt         TEXT,
    last_error      TEXT,
    PRIMARY KEY (incident_id, channel, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (state, next_at);

CREATE TABLE dead_letters (
    topic         TEXT    NOT NULL,
    partition     INTEGER NOT NULL,
    "offset"      INTEGER NOT NULL,
    reason        TEXT    NOT NULL,
    detail        TEXT    NOT NULL,
    record_time   INTEGER,
    payload       TEXT    NOT NULL,
    payload_bytes INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
) STRICT;
CREATE INDEX dead_letters_by_reason ON dead_letters (reason);

CREATE TABLE keys (
    provider TEXT NOT NULL,
    account  TEXT NOT NULL,
    key_id   TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (provider, account, key_id)
) STRICT, WITHOUT ROWID;

-- `change_id` is a hash of `body`, so that the same announcement is kept once.
CREATE TABLE changes (
    change_id TEXT    PRIMARY KEY,
    time      INTEGER NOT NULL,
    body      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE actions (
    action_id    TEXT    PRIMARY KEY,
    provider     TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    key_id       TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    requested_at INTEGER NOT NULL,
    body         TEXT    NOT NULL
) STRICT;
CREATE INDEX actions_by_key ON actions (key_id, account);

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    time     INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    event    TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    details  TEXT    NOT NULL,
    hash     TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject);

-- The last line's number and hash, so that cutting lines off the end shows as well.
CREATE TABLE audit_head (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL,
    hash     TEXT    NOT NULL
) STRICT;
INSERT INTO audit_head (id, sequence, hash) VALUES (1, 0, '');

CREATE TRIGGER audit_is_never_updated BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
-- `INSERT OR REPLACE` fires no delete trigger, hence the check on the number.
CREATE TRIGGER audit_grows_by_one BEFORE INSERT ON audit
WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;

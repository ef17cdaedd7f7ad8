-- The tables as SQLite has them after its first four migrations. Texts are in the order of their
-- bytes, as SQLite has them; flags are 0 and 1, which both have.

-- Times are milliseconds since the epoch in UTC, money is nano-dollars,
-- severities are ranks from 0 (info) to 4 (critical).

CREATE TABLE incidents (
    incident_id TEXT COLLATE "C" PRIMARY KEY,
    account     TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'ended')),
    severity    BIGINT NOT NULL CHECK (severity BETWEEN 0 AND 4),
    first_seen  BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    keys        BIGINT NOT NULL,
    cost_nanos  BIGINT NOT NULL,
    burn_usd_per_hour DOUBLE PRECISION NOT NULL
);
CREATE INDEX incidents_by_account ON incidents (account, last_seen);

-- The newest revision of each alert; `body` is the alert as `schemas/alert.v1.schema.json` has it.
CREATE TABLE alerts (
    alert_id    TEXT COLLATE "C" PRIMARY KEY,
    revision    BIGINT NOT NULL,
    incident_id TEXT COLLATE "C" NOT NULL REFERENCES incidents (incident_id),
    provider    TEXT COLLATE "C" NOT NULL,
    account     TEXT COLLATE "C" NOT NULL,
    key_id      TEXT COLLATE "C" NOT NULL,
    severity    BIGINT NOT NULL CHECK (severity BETWEEN 0 AND 4),
    score       DOUBLE PRECISION NOT NULL,
    first_seen  BIGINT NOT NULL,
    raised_at   BIGINT NOT NULL,
    cost_nanos  BIGINT NOT NULL,
    burn_usd_per_hour DOUBLE PRECISION NOT NULL,
    ended       BIGINT NOT NULL CHECK (ended IN (0, 1)),
    body        TEXT COLLATE "C" NOT NULL
);
CREATE INDEX alerts_by_incident ON alerts (incident_id);
CREATE INDEX alerts_by_key ON alerts (key_id, account);
CREATE INDEX alerts_by_time ON alerts (raised_at);

-- The vendors that each alert's key is stored with.
CREATE TABLE alert_vendors (
    alert_id TEXT COLLATE "C" NOT NULL REFERENCES alerts (alert_id),
    vendor   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alert_id, vendor)
);
CREATE INDEX alert_vendors_by_vendor ON alert_vendors (vendor);

-- What each revision said, for the timeline.
CREATE TABLE alert_revisions (
    alert_id   TEXT COLLATE "C" NOT NULL REFERENCES alerts (alert_id),
    revision   BIGINT NOT NULL,
    raised_at  BIGINT NOT NULL,
    severity   BIGINT NOT NULL CHECK (severity BETWEEN 0 AND 4),
    cost_nanos BIGINT NOT NULL,
    burn_usd_per_hour DOUBLE PRECISION NOT NULL,
    ended      BIGINT NOT NULL CHECK (ended IN (0, 1)),
    PRIMARY KEY (alert_id, revision)
);

-- One row for each message to people; the primary key makes a replay unable to add another.
CREATE TABLE outbox (
    incident_id     TEXT COLLATE "C" NOT NULL REFERENCES incidents (incident_id),
    channel         TEXT COLLATE "C" NOT NULL,
    sequence        BIGINT NOT NULL CHECK (sequence >= 0),
    idempotency_key TEXT COLLATE "C" NOT NULL UNIQUE,
    state           TEXT COLLATE "C" NOT NULL DEFAULT 'pending'
                            CHECK (state IN ('pending', 'sent', 'dead', 'suppressed')),
    held            BIGINT NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    raised_at       BIGINT NOT NULL,
    next_at         BIGINT NOT NULL DEFAULT 0,
    attempts        BIGINT NOT NULL DEFAULT 0,
    first_attempt_at BIGINT ,
    last_attempt_at BIGINT ,
    finished_at     BIGINT ,
    receipt         TEXT COLLATE "C" ,
    last_error      TEXT COLLATE "C" ,
    PRIMARY KEY (incident_id, channel, sequence)
);
CREATE INDEX outbox_due ON outbox (state, next_at);

CREATE TABLE dead_letters (
    arrival       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic         TEXT COLLATE "C" NOT NULL,
    partition     BIGINT NOT NULL,
    "offset"      BIGINT NOT NULL,
    reason        TEXT COLLATE "C" NOT NULL,
    detail        TEXT COLLATE "C" NOT NULL,
    record_time   BIGINT ,
    payload       TEXT COLLATE "C" NOT NULL,
    payload_bytes BIGINT NOT NULL,
    UNIQUE (topic, partition, "offset")
);
CREATE INDEX dead_letters_by_reason ON dead_letters (reason);

CREATE TABLE keys (
    provider TEXT COLLATE "C" NOT NULL,
    account  TEXT COLLATE "C" NOT NULL,
    key_id   TEXT COLLATE "C" NOT NULL,
    body     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (provider, account, key_id)
);

-- `change_id` is a hash of `body`, so that the same announcement is kept once.
CREATE TABLE changes (
    change_id TEXT COLLATE "C" PRIMARY KEY,
    time      BIGINT NOT NULL,
    body      TEXT COLLATE "C" NOT NULL
);

CREATE TABLE actions (
    action_id    TEXT COLLATE "C" PRIMARY KEY,
    provider     TEXT COLLATE "C" NOT NULL,
    account      TEXT COLLATE "C" NOT NULL,
    key_id       TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    requested_at BIGINT NOT NULL,
    body         TEXT COLLATE "C" NOT NULL
);
CREATE INDEX actions_by_key ON actions (key_id, account);

CREATE TABLE audit (
    sequence BIGINT PRIMARY KEY,
    time     BIGINT NOT NULL,
    actor    TEXT COLLATE "C" NOT NULL,
    event    TEXT COLLATE "C" NOT NULL,
    subject  TEXT COLLATE "C" NOT NULL,
    details  TEXT COLLATE "C" NOT NULL,
    hash     TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_by_subject ON audit (subject);

-- The last line's number and hash, so that cutting lines off the end shows as well.
CREATE TABLE audit_head (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    sequence BIGINT NOT NULL,
    hash     TEXT COLLATE "C" NOT NULL
);
INSERT INTO audit_head (id, sequence, hash) VALUES (1, 0, '');

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.sequence = (SELECT coalesce(max(sequence), 0) + 1 FROM audit) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit is append-only';
END $$;
CREATE TRIGGER audit_grows_by_one BEFORE INSERT OR UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE TABLE meta (
    key   TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);


-- How each key stood when the service last said so: whether it is judged, by what, and why not.
CREATE TABLE standings (
    provider TEXT COLLATE "C" NOT NULL,
    account  TEXT COLLATE "C" NOT NULL,
    key_id   TEXT COLLATE "C" NOT NULL,
    body     TEXT COLLATE "C" NOT NULL,
    instance TEXT COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (provider, account, key_id)
);


-- How far each polled feed was read; `position` is the poller's own text.
CREATE TABLE poll_positions (
    feed      TEXT COLLATE "C" PRIMARY KEY,
    position  TEXT COLLATE "C" NOT NULL,
    stored_at BIGINT NOT NULL
);

-- Keys that lists and audit logs of providers named. `listed` says that a list had it, whose
-- account is believed before that of an audit log.
CREATE TABLE seen_keys (
    provider   TEXT COLLATE "C" NOT NULL,
    account    TEXT COLLATE "C" NOT NULL,
    key_id     TEXT COLLATE "C" NOT NULL,
    listed     BIGINT NOT NULL CHECK (listed IN (0, 1)),
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    last_used  BIGINT ,
    PRIMARY KEY (provider, account, key_id)
);
CREATE INDEX seen_keys_by_id ON seen_keys (provider, key_id);

-- What was true of a key from when to when, as far as it was seen: `first_at` is the first time
-- and `last_at` the last time that it was seen so without anything else in between.
CREATE TABLE key_history (
    provider TEXT COLLATE "C" NOT NULL,
    account  TEXT COLLATE "C" NOT NULL,
    key_id   TEXT COLLATE "C" NOT NULL,
    fact     TEXT COLLATE "C" NOT NULL,
    first_at BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    value    TEXT COLLATE "C" NOT NULL,
    actor    TEXT COLLATE "C" ,
    source   TEXT COLLATE "C" NOT NULL CHECK (source IN ('list', 'audit')),
    PRIMARY KEY (provider, account, key_id, fact, first_at, value)
);

-- What one instance of several does for all, until when.
CREATE TABLE leases (
    name   TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    until  BIGINT NOT NULL
);

-- The version of this schema; SQLite keeps it in the file's head.
CREATE TABLE schema_version (
    id      BIGINT PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO schema_version (id, version) VALUES (1, 4);

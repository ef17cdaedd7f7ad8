-- How each key stood when the service last said so: whether it is judged, by what, and why not.
CREATE TABLE standings (
    provider TEXT NOT NULL,
    account  TEXT NOT NULL,
    key_id   TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (provider, account, key_id)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;

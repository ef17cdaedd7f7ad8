CREATE TABLE v_unused_keys (
  "key_id" text,
  "account" text,
  "project" text,
  "provider" text,
  "owner" text,
  "created" timestamptz,
  "last_seen" timestamptz
);

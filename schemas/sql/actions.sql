CREATE TABLE actions (
  "action_id" text,
  "rung" text,
  "provider" text,
  "account" text,
  "key_id" text,
  "reason" text,
  "actor" text,
  "requested_at" timestamptz,
  "state" text,
  "status_before" text,
  "last_error" text,
  "known_at" timestamptz
);

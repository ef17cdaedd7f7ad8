CREATE TABLE changes (
  "time" timestamptz,
  "type" text,
  "key_id" text,
  "account" text,
  "vendor" text,
  "details" text,
  "known_at" timestamptz
);

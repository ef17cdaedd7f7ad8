CREATE TABLE exposures (
  "vendor" text,
  "key_id" text,
  "account" text,
  "project" text,
  "provider" text,
  "owner" text,
  "noticed_at" timestamptz,
  "rotated_at" timestamptz,
  "off_at" timestamptz,
  "state" text NOT NULL,
  "known_at" timestamptz
);

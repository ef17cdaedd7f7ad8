CREATE TABLE vendors (
  "vendor" text,
  "keys" bigint NOT NULL,
  "accounts" bigint NOT NULL,
  "noticed_at" timestamptz,
  "known_at" timestamptz
);

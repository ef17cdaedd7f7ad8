CREATE TABLE v_new_addresses (
  "key_id" text,
  "account" text,
  "address" text,
  "country" text,
  "first_seen" timestamptz,
  "last_seen" timestamptz,
  "requests" bigint,
  "cost_usd" numeric(28,9),
  "known_at" timestamptz
);

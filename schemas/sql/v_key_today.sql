CREATE TABLE v_key_today (
  "key_id" text,
  "account" text,
  "provider" text,
  "requests" bigint,
  "input_tokens" bigint,
  "output_tokens" bigint,
  "cost_usd" numeric(28,9),
  "addresses" bigint NOT NULL,
  "models" bigint NOT NULL,
  "first_seen" timestamptz,
  "last_seen" timestamptz,
  "known_at" timestamptz
);

CREATE TABLE v_spend_by_account (
  "day" date NOT NULL,
  "account" text,
  "provider" text,
  "requests" bigint,
  "cost_usd" numeric(28,9),
  "keys" bigint NOT NULL,
  "known_at" timestamptz
);

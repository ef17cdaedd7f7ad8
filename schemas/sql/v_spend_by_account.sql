CREATE TABLE v_spend_by_account (
  "day" date NOT NULL,
  "account" text,
  "provider" text,
  "requests" bigint,
  "cost_usd" numeric(38,9),
  "keys" bigint NOT NULL,
  "known_at" timestamptz
);

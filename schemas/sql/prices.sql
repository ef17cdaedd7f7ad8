CREATE TABLE prices (
  "provider" text,
  "model" text,
  "tier" text,
  "token_class" text,
  "above_input_tokens" bigint,
  "usd_per_million" numeric(18,9),
  "day" timestamptz,
  "version" text,
  "known_at" timestamptz
);

CREATE TABLE usage_1h (
  "window_start" timestamptz NOT NULL,
  "account" text,
  "project" text,
  "provider" text,
  "key_id" text,
  "model" text,
  "requests" bigint,
  "errors" bigint,
  "input_tokens" bigint,
  "cache_read_tokens" bigint,
  "cache_write_tokens" bigint,
  "output_tokens" bigint,
  "reasoning_tokens" bigint,
  "cost_usd" numeric(28,9),
  "unpriced_requests" bigint,
  "known_at" timestamptz
);

CREATE TABLE calls_1m (
  "window_start" timestamptz NOT NULL,
  "account" text,
  "project" text,
  "provider" text,
  "key_id" text,
  "model" text,
  "requests" bigint NOT NULL,
  "errors" bigint NOT NULL,
  "input_tokens" bigint NOT NULL,
  "cache_read_tokens" bigint NOT NULL,
  "cache_write_tokens" bigint NOT NULL,
  "output_tokens" bigint NOT NULL,
  "reasoning_tokens" bigint NOT NULL,
  "cost_usd" numeric(18,9) NOT NULL,
  "unpriced_requests" bigint NOT NULL,
  "known_at" timestamptz NOT NULL,
  "event_date" date NOT NULL
);

CREATE TABLE baselines (
  "key_id" text,
  "account" text,
  "provider" text,
  "metric" text,
  "class" text,
  "feed_minutes" bigint,
  "known_since" timestamptz,
  "expected_10m" double precision,
  "expected_1h" double precision,
  "expected_24h" double precision,
  "recent_1h" double precision,
  "highest_10m" double precision,
  "highest_1h" double precision,
  "known_at" timestamptz
);

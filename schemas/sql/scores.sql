CREATE TABLE scores (
  "key_id" text,
  "account" text,
  "provider" text,
  "metric" text,
  "window_start" timestamptz,
  "window_end" timestamptz,
  "observed" double precision,
  "expected" double precision,
  "expected_low" double precision,
  "expected_high" double precision,
  "p_value" double precision,
  "neg_log_p" double precision,
  "score" double precision,
  "known_at" timestamptz
);

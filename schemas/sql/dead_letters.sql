CREATE TABLE dead_letters (
  "reason" text,
  "detail" text,
  "topic" text,
  "partition" bigint,
  "offset" bigint,
  "record_time" timestamptz,
  "payload" text,
  "payload_bytes" bigint,
  "known_at" timestamptz
);

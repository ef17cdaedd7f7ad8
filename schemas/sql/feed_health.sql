CREATE TABLE feed_health (
  "topic" text,
  "partition" bigint,
  "next_offset" bigint,
  "records" bigint,
  "rows" bigint,
  "dead_letters" bigint,
  "duplicates" bigint,
  "newest_event_time" timestamptz,
  "newest_known_at" timestamptz,
  "read_at" timestamptz,
  "unreadable" boolean,
  "known_at" timestamptz
);

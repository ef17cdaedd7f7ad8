CREATE TABLE audit (
  "sequence" bigint,
  "time" timestamptz,
  "actor" text,
  "event" text,
  "subject" text,
  "details" text,
  "hash" text,
  "known_at" timestamptz
);

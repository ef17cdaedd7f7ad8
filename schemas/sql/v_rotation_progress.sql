CREATE TABLE v_rotation_progress (
  "vendor" text,
  "noticed_at" timestamptz,
  "keys" bigint NOT NULL,
  "done" bigint,
  "open" bigint,
  "known_at" timestamptz
);

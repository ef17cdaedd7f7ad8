CREATE TABLE incidents (
  "incident_id" text,
  "account" text,
  "state" text,
  "severity" text,
  "first_seen" timestamptz,
  "last_seen" timestamptz,
  "keys" bigint,
  "cost_so_far_usd" numeric(18,9),
  "burn_usd_per_hour" double precision,
  "known_at" timestamptz
);

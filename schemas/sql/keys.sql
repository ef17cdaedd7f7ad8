CREATE TABLE keys (
  "key_id" text,
  "account" text,
  "project" text,
  "provider" text,
  "environment" text,
  "owner" text,
  "created" timestamptz,
  "vendors" text[],
  "allowed_models" text[],
  "allowed_cidrs" text[],
  "replaces" text,
  "break_glass" boolean,
  "known_at" timestamptz
);

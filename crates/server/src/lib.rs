//! Incident pages, JSON API, metrics and health, on loopback.

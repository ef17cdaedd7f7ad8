//! Alerts, incidents, key inventory, outbox, actions and audit chain in SQLite.

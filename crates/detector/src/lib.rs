//! Rolling baselines per key in columnar windows, scores, triage into alerts.

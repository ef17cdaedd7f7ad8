//! Commits batches to Delta Lake, answers SQL over them and over what is not yet committed.

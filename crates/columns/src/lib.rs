//! Arrow schema of every table; rows to columns and back; the traits for history and tables.

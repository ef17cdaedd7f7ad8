//! Carries events through the stages: batches, checkpoints, shutdown.

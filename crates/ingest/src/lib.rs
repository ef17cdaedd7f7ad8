//! Kafka in and out: consumer group, back-pressure, start at a checkpoint; the embedded broker of the demo.

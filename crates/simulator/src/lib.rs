//! Labelled usage by scenario and seed, and how a detector is scored on it.
//!
//! [`simulate`] makes a [`Simulation`]: usage events in order of arrival, the inventory that
//! a detector may see, and the [`Labels`] that it may not. [`evaluate`] compares alerts with
//! the labels and returns a [`Report`].
//!
//! A run is made key by key. A kind of key draws an owner and when the owner sends requests
//! (`kinds`); an abuse adds a stranger's (`abuse`); an oddity bends the owner's (`oddity`);
//! callers dress requests as events (`caller`), and those are put out of order (`disorder`).
//! Every draw has its own stream of (seed, purpose, kind, number), so that the same seed
//! gives the same bytes and a new kind leaves the old ones alone.
//!
//! ```
//! let simulation = simulator::simulate("small", 7, 0.1).unwrap();
//! let report = simulator::evaluate(&simulation.labels, std::iter::empty());
//! assert_eq!(report.overall.detected, 0);
//! ```

mod abuse;
mod address;
mod batch;
mod caller;
mod chance;
mod client;
mod clock;
mod curve;
mod disorder;
mod error;
mod evaluate;
mod event;
mod interval;
mod key;
mod kinds;
mod labels;
mod oddity;
mod prices;
mod report;
mod scenario;
mod scored_alert;
mod shape;
mod simulation;
mod stage;

pub use error::{AlertError, Error};
pub use evaluate::evaluate;
pub use event::SimulatedEvent;
pub use labels::{AbuseLabel, KeyLabel, Labels, OddityLabel};
pub use report::{
    AbuseOutcome, AlertCounts, ClassScore, Detection, FalseAlerts, GroupOutcome, Interval,
    OddityScore, Report,
};
pub use scenario::{ScenarioInfo, scenarios};
pub use scored_alert::ScoredAlert;
pub use simulation::{Options, Simulation, simulate, simulate_with};

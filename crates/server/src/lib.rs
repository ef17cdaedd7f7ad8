//! Incident pages, JSON API, metrics and health, on loopback.
//!
//! [`bind`] takes the address before anything else starts, so that a port in use is an error of
//! start-up; [`BoundServer::serve`] then answers until it is told to stop. What is shown comes
//! from the [`Casebook`](casebook::Casebook) and from a [`VitalsSource`], through which the
//! running pipeline says how it is doing.
//!
//! Nothing can be written here: only GET and HEAD are answered, the Host must be a loopback name
//! or an allowed one, pages carry no script, and whatever a feed said is escaped where it is
//! shown, in HTML, in the shell commands and in the SQL.
//!
//! | path | shows |
//! |---|---|
//! | `/` | open incidents and the vitals |
//! | `/incidents/{id}` | one incident with charts, evidence and what stops it |
//! | `/api/v1/incidents`, `/api/v1/incidents/{id}` | the same as JSON |
//! | `/api/v1/alerts`, `/api/v1/alerts/{id}` | alerts as `schemas/alert.v1.schema.json` |
//! | `/metrics` | OpenMetrics, names `spikewatch_*` |
//! | `/healthz`, `/readyz` | it answers; it has caught up |

mod api;
mod assets;
mod case;
mod chart;
mod config;
mod error;
mod format;
mod guard;
mod health;
mod listener;
mod metrics;
mod pages;
mod reply;
mod serve;
mod snippet;
mod state;

pub use config::ServerConfig;
pub use error::Error;
pub use serve::{BoundServer, bind};
pub use state::{AppState, FeedVitals, UnpricedModel, Vitals, VitalsSource};

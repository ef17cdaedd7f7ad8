//! The schemas of a registry, fetched before records are decoded.
//!
//! Decoding asks nobody: [`Schemas`] answers from memory. [`WithSchemas`] stands between a source
//! and whoever decodes, looks at each batch for schemas that are not at hand, and has them fetched
//! first.
//!
//! | the registry | the record |
//! |---|---|
//! | has the schema | is read by it |
//! | does not know it, or it is of no use | becomes a dead letter `framing`; it is asked again after `unknown_secs` |
//! | does not answer | waits for `wait_millis`, then becomes a dead letter `framing`; so do all records that need a schema that is not at hand, for `away_secs`, and nobody asks meanwhile |
//!
//! So a registry that is down delays a source by at most `wait_millis` in `away_secs`, and nothing
//! but records by schemas that were never seen. A dead letter says where its record is.
//!
//! JSON Schema needs none of this: its payload is JSON. Apicurio answers the same questions below
//! `/apis/ccompat/v7`.

#[cfg(feature = "schemas")]
mod avro;
mod client;
mod compiled;
mod config;
#[cfg(feature = "schemas")]
mod protobuf;
mod source;

pub use config::{RegistryConfig, RegistryError};
pub use source::WithSchemas;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Clock, Records, SchemaError, SchemaId, Schemas, Timestamp};
use tracing::{info, warn};

use client::{Client, FetchError};
use compiled::Compiled;

/// Schemas that a batch may ask for; more of them are noise, not schemas.
const MAX_IDS_A_BATCH: usize = 64;

/// The schemas of one registry; cloning shares them.
#[derive(Clone)]
pub struct SchemaRegistry {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    clock: Arc<dyn Clock>,
    wait: Duration,
    unknown_millis: i64,
    away_millis: i64,
    max_schemas: usize,
    /// Held for a look or an entry, never over an await.
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    schemas: HashMap<SchemaId, Entry>,
    /// Until when the registry is left alone.
    away_until: Option<Timestamp>,
}

#[derive(Clone)]
enum Entry {
    Known(Arc<Compiled>),
    /// Not to be had; asked for again from then on.
    Unknown {
        until: Timestamp,
    },
}

impl fmt::Debug for SchemaRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.memory();
        f.debug_struct("SchemaRegistry")
            .field("schemas", &memory.schemas.len())
            .field("away_until", &memory.away_until)
            .finish_non_exhaustive()
    }
}

impl SchemaRegistry {
    /// Makes a client of a registry; connects to nothing.
    ///
    /// # Errors
    /// [`RegistryError`] when a setting does not do, or the build cannot read schemas.
    pub fn new(config: &RegistryConfig, clock: Arc<dyn Clock>) -> Result<Self, RegistryError> {
        if !cfg!(feature = "schemas") {
            return Err(RegistryError::NotBuilt);
        }
        let millis = |secs: u64| i64::try_from(secs.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Ok(Self {
            shared: Arc::new(Shared {
                client: Client::new(config)?,
                clock,
                wait: Duration::from_millis(config.wait_millis),
                unknown_millis: millis(config.unknown_secs),
                away_millis: millis(config.away_secs),
                max_schemas: config.max_schemas.max(1),
                memory: Mutex::default(),
            }),
        })
    }

    /// Asks the registry whether it is there, for `spikewatch check`.
    ///
    /// # Errors
    /// What it said, or that it did not.
    pub async fn probe(&self) -> Result<(), String> {
        self.shared.client.probe(self.shared.clock.now()).await
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // What a holder that panicked left is whole: entries go in one by one.
        let memory = self.shared.memory.lock();
        memory.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the schemas that a batch needs and that may be asked for now.
    fn wanted(&self, records: &Records) -> Vec<SchemaId> {
        let now = self.shared.clock.now();
        let memory = self.memory();
        if memory.away_until.is_some_and(|until| now < until) {
            return Vec::new();
        }
        let needed = records
            .iter()
            .filter_map(|record| SchemaId::needed_by(&record));
        let mut seen = BTreeSet::new();
        needed
            .filter(|id| match memory.schemas.get(id) {
                None => true,
                Some(Entry::Known(_)) => false,
                Some(Entry::Unknown { until }) => *until <= now,
            })
            .filter(|id| seen.insert(format!("{id:?}")))
            .take(MAX_IDS_A_BATCH)
            .collect()
    }

    /// Fetches schemas, for as long as a batch may wait.
    async fn fetch(self, ids: Vec<SchemaId>) {
        let fetched = tokio::time::timeout(self.shared.wait, self.fetch_each(&ids)).await;
        if fetched.is_err() {
            self.leave_alone("it did not answer in time");
        }
    }

    async fn fetch_each(&self, ids: &[SchemaId]) {
        for id in ids {
            let now = self.shared.clock.now();
            let found = match self.shared.client.schema(id, now).await {
                // A schema may be long; reading one is no work for the runtime's threads.
                Ok(fetched) => {
                    let read = tokio::task::spawn_blocking(move || Compiled::new(&fetched)).await;
                    read.unwrap_or_else(|_| Err("reading it failed".to_owned()))
                }
                Err(FetchError::Missing(reason)) => Err(reason),
                Err(FetchError::Away(reason)) => return self.leave_alone(&reason),
            };
            match found {
                Ok(schema) => {
                    info!(?id, kind = schema.kind(), "schema is at hand");
                    self.keep(*id, Entry::Known(Arc::new(schema)));
                }
                Err(reason) => {
                    warn!(
                        ?id,
                        reason, "schema is not to be had, its records are dead letters"
                    );
                    let until = now.plus(self.shared.unknown_millis);
                    self.keep(*id, Entry::Unknown { until });
                }
            }
        }
        self.memory().away_until = None;
    }

    fn leave_alone(&self, reason: &str) {
        warn!(
            reason,
            "schema registry is away, records by new schemas are dead letters"
        );
        let until = self.shared.clock.now().plus(self.shared.away_millis);
        self.memory().away_until = Some(until);
    }

    fn keep(&self, id: SchemaId, entry: Entry) {
        let mut memory = self.memory();
        if memory.schemas.len() >= self.shared.max_schemas {
            // What nobody has goes first; a known schema is fetched again when it is needed.
            memory
                .schemas
                .retain(|_, entry| matches!(entry, Entry::Known(_)));
            if memory.schemas.len() >= self.shared.max_schemas {
                memory.schemas.clear();
            }
        }
        memory.schemas.insert(id, entry);
    }
}

impl Schemas for SchemaRegistry {
    fn to_json(&self, id: &SchemaId, payload: &[u8]) -> Result<Vec<u8>, SchemaError> {
        let entry = self.memory().schemas.get(id).cloned();
        match entry {
            Some(Entry::Known(schema)) => schema.to_json(payload),
            Some(Entry::Unknown { .. }) | None => Err(SchemaError::Unknown),
        }
    }
}

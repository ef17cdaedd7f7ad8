//! The responder: which connector, who has the turn, what is written down.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use model::{
    Action, ActionId, ActionState, ActionStore, Clock, Entity, KeyResponder, KeyStatus,
    RespondError, Rung,
};
use serde_json::Value;
use tracing::info;

use crate::{Error, Patience};

/// Carries actions through their states, one at a time for each key.
///
/// Dropping a future of [`Responder::act`] or [`Responder::undo`] half-way is as safe as a
/// crash: what was done is written down, and [`Responder::resume`] or another undo goes on.
pub struct Responder {
    connectors: Vec<Box<dyn KeyResponder>>,
    store: Arc<dyn ActionStore>,
    clock: Arc<dyn Clock>,
    patience: Patience,
    /// The keys that are being worked on. A std mutex, because it is never held over an await.
    busy: Arc<Mutex<BTreeSet<Entity>>>,
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder")
            .field("connectors", &self.configured())
            .finish_non_exhaustive()
    }
}

/// What a provider said about a key, after all attempts.
pub(crate) enum Reading {
    /// It is this.
    Is(KeyStatus),
    /// The connector has no way to ask.
    NoWay(String),
    /// It did not say.
    Failed(String),
}

/// The turn at a key, given back when dropped.
pub(crate) struct Turn {
    busy: Arc<Mutex<BTreeSet<Entity>>>,
    entity: Entity,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
            .remove(&self.entity);
    }
}

impl Responder {
    /// Makes a responder; of several connectors that answer for a key the first is taken.
    pub fn new(
        connectors: Vec<Box<dyn KeyResponder>>,
        store: Arc<dyn ActionStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            connectors,
            store,
            clock,
            patience: Patience::default(),
            busy: Arc::default(),
        }
    }

    /// Sets how often providers are asked again.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Returns a new action, asked for now, that nothing has been done about yet.
    pub fn request(&self, rung: Rung, entity: Entity, actor: &str, reason: &str) -> Action {
        let requested_at = self.clock.now();
        Action {
            action_id: ActionId::compute(rung, &entity, requested_at),
            rung,
            entity,
            reason: reason.to_owned(),
            actor: actor.to_owned(),
            requested_at,
            state: ActionState::Requested,
            status_before: None,
            undo: None,
            last_error: None,
        }
    }

    /// Returns the connector for a rung on a key, without doing anything.
    ///
    /// # Errors
    /// [`Error::NoConnector`] or [`Error::UnsupportedRung`], naming what is configured.
    pub fn connector(&self, entity: &Entity, rung: Rung) -> Result<&dyn KeyResponder, Error> {
        let covering: Vec<&dyn KeyResponder> = self
            .connectors
            .iter()
            .map(AsRef::as_ref)
            .filter(|c| c.covers(entity))
            .collect();
        if covering.is_empty() {
            return Err(Error::NoConnector {
                provider: entity.provider.clone(),
                account: entity.account.clone(),
                key: entity.key.clone(),
                configured: self.configured(),
            });
        }
        let capable = covering.iter().find(|connector| connector.supports(rung));
        capable.copied().ok_or_else(|| Error::UnsupportedRung {
            connector: joined(covering.iter().map(|connector| connector.name())),
            rung: rung.as_str(),
            supported: joined(
                Rung::ALL
                    .into_iter()
                    .filter(|rung| covering.iter().any(|connector| connector.supports(*rung)))
                    .map(Rung::as_str),
            ),
        })
    }

    /// Returns the names of the connectors.
    pub fn configured(&self) -> String {
        joined(self.connectors.iter().map(|connector| connector.name()))
    }

    pub(crate) fn patience(&self) -> Patience {
        self.patience
    }

    /// Takes the turn at a key, so that a freeze and its undo never cross.
    pub(crate) fn turn(&self, entity: &Entity) -> Result<Turn, Error> {
        let mut busy = self
            .busy
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        if !busy.insert(entity.clone()) {
            return Err(Error::Busy(entity.to_string()));
        }
        Ok(Turn {
            busy: Arc::clone(&self.busy),
            entity: entity.clone(),
        })
    }

    pub(crate) async fn stored(&self, id: &ActionId) -> Result<Option<Action>, Error> {
        self.store.action(id).await.map_err(|source| Error::Read {
            id: id.clone(),
            source,
        })
    }

    /// Writes a step down. The next step is taken only after this has returned.
    pub(crate) async fn record(
        &self,
        action: &Action,
        actor: &str,
        event: &'static str,
        details: Value,
    ) -> Result<(), Error> {
        self.store
            .record(action, self.clock.now(), actor, event, details)
            .await
            .map_err(|source| Error::Record {
                event,
                id: action.action_id.clone(),
                source,
            })?;
        info!(action_id = %action.action_id, state = action.state.as_str(), event, "action moved");
        Ok(())
    }

    /// Reads a key's status until it is `wanted` (or anything, if nothing is), with patience.
    ///
    /// A key that is gone stays gone, so that is not waited out.
    pub(crate) async fn read(
        &self,
        connector: &dyn KeyResponder,
        entity: &Entity,
        wanted: Option<KeyStatus>,
    ) -> Reading {
        let mut last = Reading::Failed("the provider was not asked".to_owned());
        let attempts = self.patience.readback_attempts.max(1);
        for attempt in 0..attempts {
            last = match connector.status(entity).await {
                Ok(KeyStatus::Gone) | Err(RespondError::Gone) => {
                    return Reading::Is(KeyStatus::Gone);
                }
                Ok(status) if wanted.is_none_or(|wanted| wanted == status) => {
                    return Reading::Is(status);
                }
                Ok(status) => Reading::Is(status),
                Err(RespondError::Transient(message)) => Reading::Failed(message),
                Err(RespondError::Refused(message)) => return Reading::Failed(message),
                Err(RespondError::Unsupported(message)) => return Reading::NoWay(message),
            };
            if attempt + 1 < attempts {
                self.patience.pause(attempt).await;
            }
        }
        last
    }
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

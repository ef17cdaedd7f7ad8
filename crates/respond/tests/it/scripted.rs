//! A provider that answers from a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use model::double::MemoryResponder;
use model::{Action, Applied, Entity, KeyResponder, KeyStatus, RespondError, Rung};

use crate::sample::entity;

pub(crate) fn provider(status: KeyStatus) -> Box<MemoryResponder> {
    let provider = MemoryResponder::default();
    provider.keys.lock().unwrap().insert("k".to_owned(), status);
    Box::new(provider)
}

pub(crate) fn key() -> Entity {
    entity("anthropic", "k")
}

/// Answers from a script; what the script does not say, it does.
#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) inner: MemoryResponder,
    pub(crate) status: Mutex<VecDeque<Result<KeyStatus, RespondError>>>,
    pub(crate) apply: Mutex<VecDeque<RespondError>>,
    pub(crate) undo: Mutex<VecDeque<RespondError>>,
    /// Whether a scripted failure of `apply` still freezes the key, as a lost answer does.
    pub(crate) applies_anyway: bool,
    pub(crate) has_no_status: bool,
    pub(crate) calls: Arc<Mutex<Vec<&'static str>>>,
}

pub(crate) fn scripted(status: KeyStatus) -> Scripted {
    Scripted {
        inner: *provider(status),
        ..Scripted::default()
    }
}

#[async_trait]
impl KeyResponder for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }
    fn covers(&self, entity: &Entity) -> bool {
        entity.provider == "anthropic"
    }
    fn supports(&self, rung: Rung) -> bool {
        matches!(rung, Rung::Freeze | Rung::Throttle)
    }
    fn reversible(&self, rung: Rung) -> bool {
        rung == Rung::Freeze
    }
    async fn status(&self, entity: &Entity) -> Result<KeyStatus, RespondError> {
        self.calls.lock().unwrap().push("status");
        if self.has_no_status {
            return Err(RespondError::Unsupported("no status".to_owned()));
        }
        let told = self.status.lock().unwrap().pop_front();
        match told {
            Some(told) => told,
            None => self.inner.status(entity).await,
        }
    }
    async fn apply(&self, action: &Action) -> Result<Applied, RespondError> {
        self.calls.lock().unwrap().push("apply");
        let told = self.apply.lock().unwrap().pop_front();
        match told {
            Some(err) if self.applies_anyway => {
                self.inner.apply(action).await?;
                Err(err)
            }
            Some(err) => Err(err),
            None => self.inner.apply(action).await,
        }
    }
    async fn undo(&self, action: &Action) -> Result<(), RespondError> {
        self.calls.lock().unwrap().push("undo");
        let told = self.undo.lock().unwrap().pop_front();
        match told {
            Some(err) => Err(err),
            None => self.inner.undo(action).await,
        }
    }
}

pub(crate) fn busy() -> RespondError {
    RespondError::Transient("busy".to_owned())
}

pub(crate) fn no() -> RespondError {
    RespondError::Refused("no".to_owned())
}

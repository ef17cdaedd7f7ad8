//! Entities, actions and responders for the tests.

use std::sync::Arc;

use model::double::{FixedClock, MemoryActionStore};
use model::{Action, Clock, Entity, KeyResponder, Rung, Timestamp};
use respond::{Patience, Responder};

/// 2026-05-04T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_777_896_000_000);

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(FixedClock(NOW))
}

pub(crate) fn entity(provider: &str, key: &str) -> Entity {
    Entity {
        provider: provider.to_owned(),
        account: "acme".to_owned(),
        key: key.to_owned(),
    }
}

/// Gives up fast.
pub(crate) fn patience() -> Patience {
    Patience {
        call_attempts: 3,
        readback_attempts: 3,
        pause_millis: 1,
        pause_millis_max: 2,
    }
}

pub(crate) fn responder(connector: Box<dyn KeyResponder>) -> (Responder, Arc<MemoryActionStore>) {
    let store = Arc::new(MemoryActionStore::default());
    let responder = Responder::new(vec![connector], store.clone(), clock());
    (responder.with_patience(patience()), store)
}

pub(crate) fn freeze(responder: &Responder, entity: &Entity) -> Action {
    responder.request(Rung::Freeze, entity.clone(), "oncall", "incident inc_1")
}

/// An action as it reaches a connector.
pub(crate) fn bare_action(entity: &Entity) -> Action {
    let store = Arc::new(MemoryActionStore::default());
    freeze(&Responder::new(Vec::new(), store, clock()), entity)
}

pub(crate) fn words(store: &MemoryActionStore) -> Vec<String> {
    store
        .audit
        .lock()
        .unwrap()
        .iter()
        .map(|line| line.event.clone())
        .collect()
}

/// Everything the store holds, to look for secrets in.
pub(crate) fn everything(store: &MemoryActionStore) -> String {
    format!(
        "{:?} {:?}",
        store.actions.lock().unwrap(),
        store.audit.lock().unwrap()
    )
}

//! What every connector with a status must do; run on the double and on the real ones.

use model::double::MemoryResponder;
use model::{Entity, KeyResponder, KeyStatus, RespondError, Rung};

use crate::sample;

/// `key` is active, `missing` is unknown to the provider.
pub(crate) async fn suite(connector: &dyn KeyResponder, key: &Entity, missing: &Entity) {
    assert!(connector.covers(key));
    assert!(connector.supports(Rung::Freeze) && connector.reversible(Rung::Freeze));
    assert!(!connector.supports(Rung::Delete) && !connector.reversible(Rung::Delete));
    assert_eq!(connector.status(key).await.unwrap(), KeyStatus::Active);

    // Freezing and restoring do what they say, and no harm when repeated.
    let mut action = sample::bare_action(key);
    for _ in 0..2 {
        action.undo = connector.apply(&action).await.unwrap().undo;
        assert!(action.undo.is_some());
        assert_eq!(connector.status(key).await.unwrap(), KeyStatus::Inactive);
    }
    for _ in 0..2 {
        connector.undo(&action).await.unwrap();
        assert_eq!(connector.status(key).await.unwrap(), KeyStatus::Active);
    }

    // What does not exist is gone, however one asks.
    let action = sample::bare_action(missing);
    assert!(matches!(
        connector.status(missing).await,
        Err(RespondError::Gone)
    ));
    assert!(matches!(
        connector.apply(&action).await,
        Err(RespondError::Gone)
    ));
    assert!(matches!(
        connector.undo(&action).await,
        Err(RespondError::Gone)
    ));
}

#[tokio::test]
async fn the_double_keeps_the_contract() {
    let double = MemoryResponder::default();
    double
        .keys
        .lock()
        .unwrap()
        .insert("apikey_1".to_owned(), KeyStatus::Active);
    let entity = |key| sample::entity("anthropic", key);
    suite(&double, &entity("apikey_1"), &entity("apikey_9")).await;
}

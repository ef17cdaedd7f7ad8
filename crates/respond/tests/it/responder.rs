//! The state machine on a provider in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use model::double::MemoryActionStore;
use model::{
    Action, ActionId, ActionState, ActionStore, Applied, Entity, KeyResponder, KeyStatus,
    RespondError, Rung, StoreError, Timestamp,
};
use respond::{Error, Responder};

use crate::sample::{clock, entity, freeze, patience, responder, words};
use crate::scripted::{Scripted, busy, key, no, provider, scripted};

#[tokio::test]
async fn a_freeze_is_verified_and_an_undo_restores() {
    let (responder, store) = responder(provider(KeyStatus::Active));
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::Verified);
    assert_eq!(action.status_before, Some(KeyStatus::Active));
    let undone = responder
        .undo(&action.action_id, "lead", "it was planned")
        .await
        .unwrap();
    assert_eq!(undone.state, ActionState::Undone);
    assert_eq!(
        words(&store),
        [
            "action.requested",
            "action.calling",
            "action.applied",
            "action.verified",
            "undo.requested",
            "undo.calling",
            "undo.applied",
            "undo.verified",
        ]
    );
    let audit = store.audit.lock().unwrap();
    assert_eq!(
        (audit[0].actor.as_str(), audit[4].actor.as_str()),
        ("oncall", "lead")
    );
    assert_eq!(audit[0].details["reason"], "incident inc_1");
    assert_eq!(audit[4].details["reason"], "it was planned");
    assert_eq!(store.actions.lock().unwrap()[&action.action_id], undone);
}

#[tokio::test]
async fn a_finished_action_and_a_finished_undo_are_not_repeated() {
    let connector = scripted(KeyStatus::Active);
    let calls = Arc::clone(&connector.calls);
    let (responder, store) = responder(Box::new(connector));
    let request = freeze(&responder, &key());
    let action = responder.act(request.clone()).await.unwrap();
    let (lines, called) = (words(&store).len(), calls.lock().unwrap().len());
    assert_eq!(responder.act(request.clone()).await.unwrap(), action);
    assert_eq!(
        (words(&store).len(), calls.lock().unwrap().len()),
        (lines, called)
    );

    let undone = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    let (lines, called) = (words(&store).len(), calls.lock().unwrap().len());
    assert_eq!(
        responder
            .undo(&action.action_id, "lead", "why")
            .await
            .unwrap(),
        undone
    );
    assert_eq!(responder.act(request).await.unwrap(), undone);
    assert_eq!(
        (words(&store).len(), calls.lock().unwrap().len()),
        (lines, called)
    );
}

#[tokio::test]
async fn a_provider_that_ignores_calls_is_never_called_verified() {
    let mut provider = provider(KeyStatus::Active);
    provider.ignores_calls = true;
    let (responder, store) = responder(provider);
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::NeedsHuman);
    assert!(action.last_error.unwrap().contains("still active"));
    assert_eq!(words(&store).last().unwrap(), "action.needs_human");
    assert!(!words(&store).contains(&"action.verified".to_owned()));
}

#[tokio::test]
async fn a_key_that_was_off_before_stays_off_after_the_undo() {
    let (responder, store) = responder(provider(KeyStatus::Inactive));
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::Verified);
    assert_eq!(action.status_before, Some(KeyStatus::Inactive));
    let undone = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    assert_eq!(undone.state, ActionState::Undone);
    assert!(!words(&store).contains(&"undo.calling".to_owned()));
    let connector = responder.connector(&key(), Rung::Freeze).unwrap();
    assert_eq!(connector.status(&key()).await.unwrap(), KeyStatus::Inactive);
}

#[tokio::test]
async fn the_second_of_two_freezes_does_not_undo_the_first() {
    let (responder, _) = responder(provider(KeyStatus::Active));
    let first = responder.act(freeze(&responder, &key())).await.unwrap();
    let mut request = freeze(&responder, &key());
    request.action_id = ActionId::from_text("act_second");
    let second = responder.act(request).await.unwrap();
    responder
        .undo(&second.action_id, "lead", "why")
        .await
        .unwrap();
    let connector = responder.connector(&key(), Rung::Freeze).unwrap();
    assert_eq!(connector.status(&key()).await.unwrap(), KeyStatus::Inactive);
    responder
        .undo(&first.action_id, "lead", "why")
        .await
        .unwrap();
    assert_eq!(connector.status(&key()).await.unwrap(), KeyStatus::Active);
}

#[tokio::test]
async fn a_key_that_is_gone_is_already_gone_and_cannot_be_undone() {
    let (responder, store) = responder(provider(KeyStatus::Active));
    let action = responder
        .act(freeze(&responder, &entity("anthropic", "x")))
        .await
        .unwrap();
    assert_eq!(action.state, ActionState::AlreadyGone);
    assert_eq!(words(&store), ["action.requested", "action.already_gone"]);
    let err = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap_err();
    assert!(matches!(err, Error::CannotUndo { .. }), "{err}");
    assert_eq!(words(&store).len(), 2);
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_and_not_for_ever() {
    let connector = scripted(KeyStatus::Active);
    connector
        .status
        .lock()
        .unwrap()
        .extend([Err(busy()), Err(busy())]);
    connector.apply.lock().unwrap().extend([busy(), busy()]);
    let (patient, _) = responder(Box::new(connector));
    let action = patient.act(freeze(&patient, &key())).await.unwrap();
    assert_eq!(
        (action.state, action.last_error),
        (ActionState::Verified, None)
    );

    let connector = scripted(KeyStatus::Active);
    connector
        .apply
        .lock()
        .unwrap()
        .extend((0..9).map(|_| busy()));
    let calls = Arc::clone(&connector.calls);
    let (impatient, store) = responder(Box::new(connector));
    let action = impatient.act(freeze(&impatient, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::NeedsHuman);
    assert_eq!(action.last_error.as_deref(), Some("busy"));
    assert_eq!(
        calls
            .lock()
            .unwrap()
            .iter()
            .filter(|call| **call == "apply")
            .count(),
        3
    );
    assert_eq!(words(&store).last().unwrap(), "action.needs_human");
}

#[tokio::test]
async fn a_read_back_that_lags_is_waited_for() {
    let connector = scripted(KeyStatus::Active);
    let active = || Ok(KeyStatus::Active);
    connector
        .status
        .lock()
        .unwrap()
        .extend([active(), active(), active()]);
    let (responder, _) = responder(Box::new(connector));
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::Verified);
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_read_back_and_can_be_undone() {
    let connector = Scripted {
        applies_anyway: true,
        ..scripted(KeyStatus::Active)
    };
    connector
        .apply
        .lock()
        .unwrap()
        .extend((0..3).map(|_| busy()));
    let (responder, _) = responder(Box::new(connector));
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::Verified);
    let undone = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    assert_eq!(undone.state, ActionState::Undone);
    let connector = responder.connector(&key(), Rung::Freeze).unwrap();
    assert_eq!(connector.status(&key()).await.unwrap(), KeyStatus::Active);
}

#[tokio::test]
async fn a_refusal_because_somebody_was_quicker_leaves_their_work_alone() {
    let connector = Scripted {
        applies_anyway: true,
        ..scripted(KeyStatus::Active)
    };
    connector.apply.lock().unwrap().push_back(no());
    let (responder, _) = responder(Box::new(connector));
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::Verified);
    assert_eq!(action.status_before, Some(KeyStatus::Inactive));
    responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    let connector = responder.connector(&key(), Rung::Freeze).unwrap();
    assert_eq!(connector.status(&key()).await.unwrap(), KeyStatus::Inactive);
}

#[tokio::test]
async fn a_refusal_needs_a_human() {
    let connector = scripted(KeyStatus::Active);
    connector.apply.lock().unwrap().push_back(no());
    let (refusing, _) = responder(Box::new(connector));
    let action = refusing.act(freeze(&refusing, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::NeedsHuman);
    assert_eq!(action.last_error.as_deref(), Some("no"));

    // Without a status before, nothing is called.
    let connector = scripted(KeyStatus::Active);
    connector.status.lock().unwrap().push_back(Err(no()));
    let calls = Arc::clone(&connector.calls);
    let (responder, _) = responder(Box::new(connector));
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::NeedsHuman);
    assert_eq!(*calls.lock().unwrap(), ["status"]);
    let err = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap_err();
    assert!(
        err.to_string().contains("status before it is not known"),
        "{err}"
    );
}

#[tokio::test]
async fn a_read_back_that_fails_needs_a_human() {
    let connector = scripted(KeyStatus::Active);
    let told = [Ok(KeyStatus::Active), Err(busy()), Err(busy()), Err(busy())];
    connector.status.lock().unwrap().extend(told);
    let (responder, _) = responder(Box::new(connector));
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::NeedsHuman);
    assert!(
        action
            .last_error
            .unwrap()
            .contains("read-back failed: busy")
    );
    // It was called, so it can be undone.
    let undone = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    assert_eq!(undone.state, ActionState::Undone);
}

#[tokio::test]
async fn without_a_status_an_action_stays_applied_and_says_so() {
    let connector = Scripted {
        has_no_status: true,
        ..scripted(KeyStatus::Active)
    };
    let (responder, store) = responder(Box::new(connector));
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    assert_eq!(action.state, ActionState::Applied);
    assert_eq!(action.last_error.as_deref(), Some("no status"));
    assert_eq!(words(&store).last().unwrap(), "action.unverified");
    let lines = words(&store).len();
    assert_eq!(responder.resume(&action.action_id).await.unwrap(), action);
    assert_eq!(words(&store).len(), lines);
    for _ in 0..2 {
        let undone = responder
            .undo(&action.action_id, "lead", "why")
            .await
            .unwrap();
        assert_eq!(undone.state, ActionState::NeedsHuman);
        assert!(undone.last_error.unwrap().contains("not verified"));
    }
}

#[tokio::test]
async fn an_undo_that_fails_can_be_asked_for_again() {
    let connector = scripted(KeyStatus::Active);
    connector.undo.lock().unwrap().extend([no()]);
    let (responder, store) = responder(Box::new(connector));
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    let failed = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    assert_eq!(failed.state, ActionState::NeedsHuman);
    assert_eq!(words(&store).last().unwrap(), "undo.needs_human");
    let undone = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    assert_eq!(
        (undone.state, undone.last_error),
        (ActionState::Undone, None)
    );
}

#[tokio::test]
async fn a_key_that_was_archived_since_is_not_brought_back() {
    let connector = scripted(KeyStatus::Active);
    let calls = Arc::clone(&connector.calls);
    let told = [
        Ok(KeyStatus::Active),
        Ok(KeyStatus::Inactive),
        Ok(KeyStatus::Gone),
    ];
    connector.status.lock().unwrap().extend(told);
    let (responder, store) = responder(Box::new(connector));
    let action = responder.act(freeze(&responder, &key())).await.unwrap();
    let undone = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    assert_eq!(undone.state, ActionState::AlreadyGone);
    assert!(!calls.lock().unwrap().contains(&"undo"));
    assert_eq!(words(&store).last().unwrap(), "undo.already_gone");
}

#[tokio::test]
async fn what_is_not_configured_is_refused_before_anything_is_written() {
    let (responder, store) = responder(Box::new(scripted(KeyStatus::Active)));
    let err = responder
        .act(freeze(&responder, &entity("openai", "k")))
        .await
        .unwrap_err();
    assert_eq!(
        err.to_string(),
        "no connector answers for key \"k\" of provider \"openai\" and account \"acme\"; \
         configured: scripted"
    );
    let request = responder.request(Rung::Delete, key(), "oncall", "why");
    let err = responder.act(request).await.unwrap_err();
    assert_eq!(
        err.to_string(),
        "connector \"scripted\" has no rung \"delete\"; it has: throttle, freeze"
    );
    let request = responder.request(Rung::Freeze, key(), "oncall", " ");
    assert!(matches!(
        responder.act(request).await,
        Err(Error::Missing("a reason"))
    ));
    let request = responder.request(Rung::Freeze, key(), "", "why");
    assert!(matches!(
        responder.act(request).await,
        Err(Error::Missing("an actor"))
    ));
    let id = ActionId::from_text("act_0");
    assert!(matches!(
        responder.undo(&id, "a", "b").await,
        Err(Error::UnknownAction(_))
    ));
    assert!(matches!(
        responder.resume(&id).await,
        Err(Error::UnknownAction(_))
    ));
    assert!(words(&store).is_empty());
}

#[tokio::test]
async fn a_rung_that_no_status_shows_stays_applied_and_has_no_undo_here() {
    let (responder, _) = responder(Box::new(scripted(KeyStatus::Active)));
    let request = responder.request(Rung::Throttle, key(), "oncall", "why");
    let action = responder.act(request).await.unwrap();
    assert_eq!(action.state, ActionState::Applied);
    let err = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap_err();
    assert!(err.to_string().contains("cannot be undone"), "{err}");
}

/// Fails at one word, as a full disk would, and works again afterwards.
#[derive(Default)]
struct FailingStore {
    inner: MemoryActionStore,
    fails_at: Mutex<Option<&'static str>>,
}

#[async_trait]
impl ActionStore for FailingStore {
    async fn record(
        &self,
        action: &Action,
        time: Timestamp,
        actor: &str,
        event: &str,
        details: serde_json::Value,
    ) -> Result<(), StoreError> {
        if self
            .fails_at
            .lock()
            .unwrap()
            .take_if(|word| *word == event)
            .is_some()
        {
            return Err(StoreError("disk full".to_owned()));
        }
        self.inner.record(action, time, actor, event, details).await
    }
    async fn action(&self, id: &ActionId) -> Result<Option<Action>, StoreError> {
        self.inner.action(id).await
    }
}

#[tokio::test]
async fn a_step_that_is_not_written_down_is_not_followed_by_the_next() {
    let steps: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("action.requested", &[][..]),
        ("action.calling", &["status"][..]),
        ("action.applied", &["status", "apply"][..]),
        ("action.verified", &["status", "apply", "status"][..]),
    ]);
    for (word, expected) in steps {
        let connector = scripted(KeyStatus::Active);
        let calls = Arc::clone(&connector.calls);
        let store = Arc::new(FailingStore::default());
        *store.fails_at.lock().unwrap() = Some(word);
        let responder = Responder::new(vec![Box::new(connector)], store.clone(), clock())
            .with_patience(patience());
        let request = freeze(&responder, &key());
        let err = responder.act(request.clone()).await.unwrap_err();
        assert!(
            matches!(err, Error::Record { event, .. } if event == word),
            "{err}"
        );
        assert!(err.is_transient());
        assert_eq!(*calls.lock().unwrap(), expected, "{word}");
        // The next start goes on from where it stands and ends in the same place.
        let action = responder.act(request).await.unwrap();
        assert_eq!(action.state, ActionState::Verified, "{word}");
        assert_eq!(action.status_before, Some(KeyStatus::Active), "{word}");
    }
}

#[tokio::test]
async fn one_key_is_worked_on_by_one_at_a_time() {
    /// Waits in `status` until it is let go.
    struct Slow(tokio::sync::Semaphore);
    #[async_trait]
    impl KeyResponder for Slow {
        fn name(&self) -> &str {
            "slow"
        }
        fn covers(&self, _: &Entity) -> bool {
            true
        }
        fn supports(&self, _: Rung) -> bool {
            true
        }
        fn reversible(&self, _: Rung) -> bool {
            true
        }
        async fn status(&self, _: &Entity) -> Result<KeyStatus, RespondError> {
            let _permit = self.0.acquire().await.unwrap();
            Err(RespondError::Gone)
        }
        async fn apply(&self, _: &Action) -> Result<Applied, RespondError> {
            Err(RespondError::Gone)
        }
        async fn undo(&self, _: &Action) -> Result<(), RespondError> {
            Err(RespondError::Gone)
        }
    }
    let (responder, _) = responder(Box::new(Slow(tokio::sync::Semaphore::new(0))));
    let first = responder.act(freeze(&responder, &key()));
    let second = async {
        tokio::task::yield_now().await;
        responder.act(freeze(&responder, &key())).await
    };
    tokio::select! {
        biased;
        _ = first => unreachable!("nobody lets it go"),
        outcome = second => assert!(matches!(outcome, Err(Error::Busy(_)))),
    }
    // Dropping the first has given the turn back.
    let other = tokio::time::timeout(
        std::time::Duration::from_millis(20),
        responder.act(freeze(&responder, &key())),
    );
    assert!(
        other.await.is_err(),
        "it waits for the provider, not for a turn"
    );
}

//! Back to the status from before the action, and to no other.

use model::{Action, ActionId, ActionState, KeyResponder, KeyStatus, RespondError};
use serde_json::json;

use crate::responder::Reading;
use crate::{Error, Responder};

impl Responder {
    /// Undoes an action and returns it as it then stands; undoing twice does nothing more.
    ///
    /// What a provider refuses is not an error but the state [`ActionState::NeedsHuman`] with
    /// `last_error`, from which the undo can be asked for again.
    ///
    /// # Errors
    /// [`Error`] when there is nothing to undo (nothing is recorded then), or when a step
    /// could not be written down.
    pub async fn undo(&self, id: &ActionId, actor: &str, reason: &str) -> Result<Action, Error> {
        for (text, name) in [(reason, "a reason"), (actor, "an actor")] {
            if text.trim().is_empty() {
                return Err(Error::Missing(name));
            }
        }
        let found = self
            .stored(id)
            .await?
            .ok_or_else(|| Error::UnknownAction(id.clone()))?;
        let connector = self.connector(&found.entity, found.rung)?;
        let _turn = self.turn(&found.entity)?;
        // Read again inside the turn: another undo may just have finished.
        let action = self.stored(id).await?.unwrap_or(found);
        if action.state == ActionState::Undone {
            return Ok(action);
        }
        check(&action, connector)?;
        let details = json!({ "reason": reason, "status_before": action.status_before });
        self.record(&action, actor, "undo.requested", details)
            .await?;
        self.restore(connector, action, actor).await
    }

    async fn restore(
        &self,
        connector: &dyn KeyResponder,
        action: Action,
        actor: &str,
    ) -> Result<Action, Error> {
        // The read comes first for the keys that must not be called: one that somebody has
        // archived since would be brought back, one that was off before would be switched on.
        match self.read(connector, &action.entity, None).await {
            Reading::Is(KeyStatus::Gone) => return self.cannot_restore(action, actor).await,
            Reading::Is(status) if action.status_before == Some(KeyStatus::Inactive) => {
                return self.undone(action, actor, status, false).await;
            }
            // Even if it reads active already: the read may be older than the freeze.
            Reading::Is(_) | Reading::NoWay(_) => {}
            Reading::Failed(message) => {
                let why = format!("could not read the status before the undo: {message}");
                return self.undo_needs_human(action, actor, why).await;
            }
        }
        self.record(&action, actor, "undo.calling", json!({}))
            .await?;
        match self.call_undo(connector, &action).await {
            Ok(()) => {}
            Err(RespondError::Gone) => return self.cannot_restore(action, actor).await,
            Err(err) => return self.undo_needs_human(action, actor, err.to_string()).await,
        }
        self.record(&action, actor, "undo.applied", json!({}))
            .await?;
        match self
            .read(connector, &action.entity, Some(KeyStatus::Active))
            .await
        {
            Reading::Is(KeyStatus::Active) => {
                self.undone(action, actor, KeyStatus::Active, true).await
            }
            Reading::Is(KeyStatus::Gone) => self.cannot_restore(action, actor).await,
            Reading::Is(KeyStatus::Inactive) => {
                let why = "the provider accepted the undo, but the key is still inactive";
                self.undo_needs_human(action, actor, why.to_owned()).await
            }
            Reading::NoWay(why) => {
                let why = format!("the undo was accepted, but not verified: {why}");
                self.undo_needs_human(action, actor, why).await
            }
            Reading::Failed(message) => {
                let why = format!("the undo was accepted, but the read-back failed: {message}");
                self.undo_needs_human(action, actor, why).await
            }
        }
    }

    async fn call_undo(
        &self,
        connector: &dyn KeyResponder,
        action: &Action,
    ) -> Result<(), RespondError> {
        let attempts = self.patience().call_attempts.max(1);
        for attempt in 1..attempts {
            match connector.undo(action).await {
                Err(RespondError::Transient(_)) => self.patience().pause(attempt - 1).await,
                outcome => return outcome,
            }
        }
        connector.undo(action).await
    }

    async fn undone(
        &self,
        mut action: Action,
        actor: &str,
        status: KeyStatus,
        called: bool,
    ) -> Result<Action, Error> {
        action.state = ActionState::Undone;
        action.last_error = None;
        let details = json!({ "status": status, "called": called });
        self.record(&action, actor, "undo.verified", details)
            .await?;
        Ok(action)
    }

    async fn cannot_restore(&self, mut action: Action, actor: &str) -> Result<Action, Error> {
        action.state = ActionState::AlreadyGone;
        action.undo = None;
        action.last_error = Some("the key is gone and cannot be restored".to_owned());
        self.record(&action, actor, "undo.already_gone", json!({}))
            .await?;
        Ok(action)
    }

    async fn undo_needs_human(
        &self,
        mut action: Action,
        actor: &str,
        why: String,
    ) -> Result<Action, Error> {
        action.state = ActionState::NeedsHuman;
        let details = json!({ "why": why });
        action.last_error = Some(why);
        self.record(&action, actor, "undo.needs_human", details)
            .await?;
        Ok(action)
    }
}

/// Refuses to undo what has no undo.
fn check(action: &Action, connector: &dyn KeyResponder) -> Result<(), Error> {
    let refused = |reason| {
        Err(Error::CannotUndo {
            id: action.action_id.clone(),
            state: action.state,
            reason,
        })
    };
    if !connector.reversible(action.rung) {
        return refused("the rung cannot be undone");
    }
    match action.state {
        ActionState::Requested | ActionState::Calling => refused("it has not finished; resume it"),
        ActionState::AlreadyGone => refused("the key does not exist any more"),
        // Nothing may have been called, and what the key was before nobody knows.
        ActionState::NeedsHuman if action.status_before.is_none() && action.undo.is_none() => {
            refused("the key's status before it is not known; look at the key yourself")
        }
        ActionState::Applied
        | ActionState::Verified
        | ActionState::NeedsHuman
        | ActionState::Undone => Ok(()),
    }
}

//! From requested to verified, or to where a person must look.

use model::{Action, ActionId, ActionState, Applied, KeyResponder, KeyStatus, RespondError, Rung};
use serde_json::json;

use crate::responder::Reading;
use crate::{Error, Responder};

impl Responder {
    /// Carries an action as far as it goes and returns it as it then stands.
    ///
    /// An action that was taken on before is continued from where it stands; one that is
    /// finished is returned as it is. What a provider refuses is not an error but the state
    /// [`ActionState::NeedsHuman`] with `last_error`.
    ///
    /// # Errors
    /// [`Error`] when the action was not taken on (nothing is recorded then), or when a step
    /// could not be written down (the steps before it stand).
    pub async fn act(&self, action: Action) -> Result<Action, Error> {
        for (text, name) in [(&action.reason, "a reason"), (&action.actor, "an actor")] {
            if text.trim().is_empty() {
                return Err(Error::Missing(name));
            }
        }
        let connector = self.connector(&action.entity, action.rung)?;
        let _turn = self.turn(&action.entity)?;
        let action = match self.stored(&action.action_id).await? {
            Some(stored) if stored.entity != action.entity || stored.rung != action.rung => {
                return Err(Error::IdTaken(action.action_id));
            }
            Some(stored) => stored,
            None => self.taken_on(connector, action).await?,
        };
        match action.state {
            ActionState::Requested => self.begin(connector, action).await,
            ActionState::Calling => self.call(connector, action).await,
            ActionState::Applied => self.confirm(connector, action).await,
            ActionState::Verified
            | ActionState::AlreadyGone
            | ActionState::NeedsHuman
            | ActionState::Undone => Ok(action),
        }
    }

    /// Continues an action that a crash or a lost caller left unfinished.
    ///
    /// # Errors
    /// As [`Responder::act`], and [`Error::UnknownAction`].
    pub async fn resume(&self, id: &ActionId) -> Result<Action, Error> {
        match self.stored(id).await? {
            Some(action) => self.act(action).await,
            None => Err(Error::UnknownAction(id.clone())),
        }
    }

    async fn taken_on(
        &self,
        connector: &dyn KeyResponder,
        mut action: Action,
    ) -> Result<Action, Error> {
        action.state = ActionState::Requested;
        action.status_before = None;
        action.undo = None;
        action.last_error = None;
        let details = json!({
            "rung": action.rung,
            "entity": action.entity,
            "reason": action.reason,
            "connector": connector.name(),
        });
        self.record(&action, &action.actor, "action.requested", details)
            .await?;
        Ok(action)
    }

    /// Reads the status before, without which nobody could tell later what to restore.
    async fn begin(
        &self,
        connector: &dyn KeyResponder,
        mut action: Action,
    ) -> Result<Action, Error> {
        match self.read(connector, &action.entity, None).await {
            Reading::Is(KeyStatus::Gone) => return self.gone(action).await,
            // Even if it reads inactive already: the read may be older than the last change.
            // An undo will then leave it inactive.
            Reading::Is(status) => action.status_before = Some(status),
            // A freeze that cannot be verified is still better than none.
            Reading::NoWay(_) => action.status_before = None,
            Reading::Failed(message) => {
                let why = format!("could not read the status before the call: {message}");
                return self.needs_human(action, why, false).await;
            }
        }
        action.state = ActionState::Calling;
        let details = json!({ "status_before": action.status_before });
        self.record(&action, &action.actor, "action.calling", details)
            .await?;
        self.call(connector, action).await
    }

    async fn call(
        &self,
        connector: &dyn KeyResponder,
        mut action: Action,
    ) -> Result<Action, Error> {
        match self.apply(connector, &action).await {
            Ok(Applied { undo }) => action.undo = undo,
            Err(RespondError::Gone) => return self.gone(action).await,
            Err(err) => return self.not_accepted(connector, action, err).await,
        }
        action.state = ActionState::Applied;
        action.last_error = None;
        self.record(
            &action,
            &action.actor,
            "action.applied",
            json!({ "undo": action.undo }),
        )
        .await?;
        self.confirm(connector, action).await
    }

    async fn apply(
        &self,
        connector: &dyn KeyResponder,
        action: &Action,
    ) -> Result<Applied, RespondError> {
        let attempts = self.patience().call_attempts.max(1);
        for attempt in 1..attempts {
            match connector.apply(action).await {
                Err(RespondError::Transient(_)) => self.patience().pause(attempt - 1).await,
                outcome => return outcome,
            }
        }
        connector.apply(action).await
    }

    /// Looks at the key after a call that was not accepted, or whose answer was lost.
    async fn not_accepted(
        &self,
        connector: &dyn KeyResponder,
        mut action: Action,
        err: RespondError,
    ) -> Result<Action, Error> {
        let reading = match wanted(action.rung) {
            Some(_) => self.read(connector, &action.entity, None).await,
            None => Reading::NoWay(String::new()),
        };
        match reading {
            Reading::Is(KeyStatus::Gone) => self.gone(action).await,
            Reading::Is(status) if Some(status) == wanted(action.rung) => {
                // A refusal means that somebody else did it, so an undo must leave it. A lost
                // answer means that it was most likely this call.
                if matches!(err, RespondError::Refused(_) | RespondError::Unsupported(_)) {
                    action.status_before = Some(status);
                }
                action.state = ActionState::Verified;
                action.last_error = Some(err.to_string());
                let details = json!({ "status": status, "answer": err.to_string() });
                self.record(&action, &action.actor, "action.verified", details)
                    .await?;
                Ok(action)
            }
            _ => self.needs_human(action, err.to_string(), true).await,
        }
    }

    /// Believes the call only when the key's status says so.
    async fn confirm(
        &self,
        connector: &dyn KeyResponder,
        mut action: Action,
    ) -> Result<Action, Error> {
        let Some(wanted) = wanted(action.rung) else {
            // No status shows this rung; applied is all there is to say.
            return Ok(action);
        };
        match self.read(connector, &action.entity, Some(wanted)).await {
            Reading::Is(status) if status == wanted => {
                action.state = ActionState::Verified;
                action.last_error = None;
                let details = json!({ "status": status });
                self.record(&action, &action.actor, "action.verified", details)
                    .await?;
                Ok(action)
            }
            Reading::Is(KeyStatus::Gone) => self.gone(action).await,
            Reading::Is(_) => {
                let why = "the provider accepted the call, but the key is still active".to_owned();
                self.needs_human(action, why, true).await
            }
            Reading::NoWay(why) => {
                // Not written down again if a resumed action comes by here twice.
                if action.last_error.as_ref() != Some(&why) {
                    action.last_error = Some(why.clone());
                    let details = json!({ "why": why });
                    self.record(&action, &action.actor, "action.unverified", details)
                        .await?;
                }
                Ok(action)
            }
            Reading::Failed(message) => {
                let why =
                    format!("the provider accepted the call, but the read-back failed: {message}");
                self.needs_human(action, why, true).await
            }
        }
    }

    async fn gone(&self, mut action: Action) -> Result<Action, Error> {
        action.state = ActionState::AlreadyGone;
        action.undo = None;
        let details = json!({ "status_before": action.status_before });
        self.record(&action, &action.actor, "action.already_gone", details)
            .await?;
        Ok(action)
    }

    async fn needs_human(
        &self,
        mut action: Action,
        why: String,
        called: bool,
    ) -> Result<Action, Error> {
        action.state = ActionState::NeedsHuman;
        let details = json!({ "why": why, "called": called });
        action.last_error = Some(why);
        self.record(&action, &action.actor, "action.needs_human", details)
            .await?;
        Ok(action)
    }
}

/// The status that proves a rung, where one does.
pub(crate) const fn wanted(rung: Rung) -> Option<KeyStatus> {
    match rung {
        Rung::Freeze => Some(KeyStatus::Inactive),
        Rung::Delete => Some(KeyStatus::Gone),
        Rung::Throttle | Rung::Rotate => None,
    }
}

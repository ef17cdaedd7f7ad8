//! Who may sign in, and what of it each may see.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use columns::Asker;
use hmac::Mac;
use model::Secret;
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, gen_salted_password, random_nonce};
use pgwire::api::auth::{AuthSource, LoginInfo, Password};
use pgwire::error::PgWireResult;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::seal::Seal;
use crate::{GatewayConfig, GatewayError};

/// The user that there is where none is configured.
pub const ANALYST: &str = "analyst";

/// The shortest password, in characters.
pub(crate) const MIN_PASSWORD: usize = 12;

/// How long who was refused waits for the answer, so that guessing takes long.
pub(crate) const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// Everybody who may sign in.
pub struct Users {
    users: HashMap<String, User>,
    queries: usize,
    seal: Seal,
}

struct User {
    password: Secret<String>,
    asker: Asker,
    queries: Arc<Semaphore>,
}

impl Users {
    /// Takes the users of a configuration.
    ///
    /// # Errors
    /// [`GatewayError::Password`] for one that could be guessed; an empty one is the worst of all.
    pub fn new(config: &GatewayConfig) -> Result<Self, GatewayError> {
        let mut users = HashMap::new();
        for (name, user) in &config.users {
            if user.password.expose().chars().count() < MIN_PASSWORD {
                return Err(GatewayError::Password(name.clone()));
            }
            let user = User {
                password: user.password.clone(),
                asker: Asker {
                    name: name.clone(),
                    accounts: user.accounts.clone(),
                    max_rows: config.max_rows,
                },
                queries: Arc::new(Semaphore::new(config.max_queries_per_user)),
            };
            users.insert(name.clone(), user);
        }
        let queries = config.max_queries_per_user;
        let seal = Seal::random();
        Ok(Self {
            users,
            queries,
            seal,
        })
    }

    /// Returns what a user may see; there is none for who did not sign in.
    pub(crate) fn asker(&self, name: &str) -> Option<&Asker> {
        self.users.get(name).map(|user| &user.asker)
    }

    /// Returns whether this is the user's password. It takes as long for one that is nearly right,
    /// and for a user that there is not.
    pub(crate) fn is_password(&self, name: &str, given: &str) -> bool {
        let user = self.users.get(name);
        let expected = user.map_or("", |user| user.password.expose());
        let is_equal = self
            .seal
            .of(expected)
            .verify_slice(&self.seal.of(given).finalize().into_bytes());
        is_equal.is_ok() && user.is_some()
    }

    /// Returns what the secret of this process says of texts.
    pub(crate) fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Takes one of the user's queries at a time, if there is one left.
    pub(crate) fn begin_query(&self, name: &str) -> Result<OwnedSemaphorePermit, usize> {
        let user = self.users.get(name).ok_or(0usize)?;
        let permit = Arc::clone(&user.queries).try_acquire_owned();
        permit.map_err(|_| self.queries)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.users.keys()).finish()
    }
}

#[async_trait]
impl AuthSource for Users {
    /// Returns the salted password. An unknown user has one too, that nobody knows: who there is
    /// cannot be found out by asking.
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let salt = random_nonce().into_bytes();
        let nobody = random_nonce();
        let user = login.user().and_then(|name| self.users.get(name));
        let password = user.map_or(nobody.as_str(), |user| user.password.expose());
        let salted = gen_salted_password(password, &salt, SCRAM_ITERATIONS);
        Ok(Password::new(Some(salt), salted))
    }
}

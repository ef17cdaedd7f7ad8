//! Keys as lists and audit logs of their providers show them, with who changed what and when.
//!
//! [`KeySighting::all_of`] says what a row means for keys, and is pure;
//! [`Casebook::observe_keys`] keeps it. Late and repeated rows change nothing twice: a fact is
//! kept as runs of what was seen so (`run.rs`), which come out the same in any order.
//!
//! What is seen fills in what the inventory leaves open (owner, project, when it was made), and
//! never overrules it: somebody wrote that down.

mod run;
mod sighting;

pub use sighting::{KeyFact, KeySighting, SightingSource};

use model::{Entity, KeyEntry, Timestamp};
use run::{Run, place};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::error::Doing;
use crate::row::{flag, get, time, time_if_known};
use crate::{Casebook, Error, inventory};

/// A change of a key: from then on this was true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The key.
    pub entity: Entity,
    /// What changed.
    pub fact: KeyFact,
    /// What it is from then on.
    pub value: String,
    /// When it was done; where only lists show it, when one first did.
    pub time: Timestamp,
    /// Who did it, if an audit log says so.
    pub actor: Option<String>,
    /// Where it is from.
    pub source: SightingSource,
}

/// A key as it was seen last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenKey {
    /// The key.
    pub entity: Entity,
    /// active, inactive, archived, expired or deleted.
    pub status: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its masked form.
    pub hint: Option<String>,
    /// Its name.
    pub alias: Option<String>,
    /// The project or workspace.
    pub project: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Who made it.
    pub created_by: Option<String>,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// When it was used last, as far as its provider says.
    pub last_used: Option<Timestamp>,
    /// When anything first said anything of it.
    pub first_seen: Timestamp,
    /// When anything last did.
    pub last_seen: Timestamp,
}

impl SeenKey {
    /// Fills in what an entry of the inventory leaves open.
    pub(crate) fn fill(&self, entry: &mut KeyEntry) {
        let fill = |open: &mut Option<String>, seen: &Option<String>| {
            if open.is_none() {
                open.clone_from(seen);
            }
        };
        fill(&mut entry.owner, &self.owner);
        fill(&mut entry.project, &self.project);
        entry.created = entry.created.or(self.created);
    }

    fn learn(&mut self, fact: KeyFact, run: Run) {
        let parsed = Timestamp::parse(&run.value).ok();
        match fact {
            // Nobody brings a deleted key back; a list that was a little old may still have it.
            KeyFact::Status if self.status.as_deref() == Some("deleted") => {}
            KeyFact::Status => self.status = Some(run.value),
            KeyFact::Owner => self.owner = Some(run.value),
            KeyFact::Hint => self.hint = Some(run.value),
            KeyFact::Alias => self.alias = Some(run.value),
            KeyFact::Project => self.project = Some(run.value),
            KeyFact::Created => self.created = parsed,
            KeyFact::CreatedBy => {
                // The list's own word for it is exact, and may come first or last.
                self.created = self.created.or(Some(run.first_at));
                self.created_by = Some(run.value);
            }
            KeyFact::Expires => self.expires = parsed,
            KeyFact::Changed => {}
        }
    }
}

impl Casebook {
    /// Keeps what rows say of keys, in one transaction, and returns what changed by it.
    ///
    /// # Errors
    /// When it is not durable; then nothing of it is kept.
    pub async fn observe_keys(&self, sightings: &[KeySighting]) -> Result<Vec<KeyChange>, Error> {
        if sightings.is_empty() {
            return Ok(Vec::new());
        }
        let mut changes = Vec::new();
        let mut concerns_inventory = false;
        let mut transaction = self.write().await?;
        for sighting in sightings {
            let sighting = &sighting.storable();
            let (entity, new) = settle(&mut transaction, sighting).await?;
            concerns_inventory |= new;
            for (fact, value) in &sighting.facts {
                let seen = Run {
                    first_at: sighting.time,
                    last_at: sighting.time,
                    value: value.clone(),
                    actor: sighting.actor.clone(),
                    source: sighting.source,
                };
                if learn(&mut transaction, &entity, *fact, seen).await? {
                    concerns_inventory |= matches!(
                        fact,
                        KeyFact::Owner | KeyFact::Project | KeyFact::Created | KeyFact::CreatedBy
                    );
                    changes.push(KeyChange {
                        entity: entity.clone(),
                        fact: *fact,
                        value: value.clone(),
                        time: sighting.time,
                        actor: sighting.actor.clone(),
                        source: sighting.source,
                    });
                }
            }
        }
        if concerns_inventory {
            inventory::count_version(&mut transaction).await?;
        }
        transaction
            .commit()
            .await
            .doing("commit sightings of keys")?;
        Ok(changes)
    }

    /// Returns every key that lists and audit logs named, by provider, account and key.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn seen_keys(&self) -> Result<Vec<SeenKey>, Error> {
        let mut snapshot = self.snapshot().await?;
        let rows = sqlx::query("SELECT * FROM seen_keys ORDER BY provider, account, key_id")
            .fetch_all(&mut *snapshot)
            .await
            .doing("read seen keys")?;
        let mut keys = rows.iter().map(seen_key).collect::<Result<Vec<_>, _>>()?;
        // What was created and deleted is looked for in all of history, the rest at its end.
        let rows = sqlx::query(
            "SELECT * FROM key_history ORDER BY provider, account, key_id, fact, first_at",
        )
        .fetch_all(&mut *snapshot)
        .await
        .doing("read the history of keys")?;
        for row in &rows {
            let (entity, fact, run) = history_row(row)?;
            let found = keys.binary_search_by(|key| key.entity.cmp(&entity));
            if let Some(key) = found.ok().and_then(|index| keys.get_mut(index)) {
                key.learn(fact, run);
            }
        }
        Ok(keys)
    }

    /// Returns what lists and audit logs say of one key.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn seen_key(&self, entity: &Entity) -> Result<Option<SeenKey>, Error> {
        let mut snapshot = self.snapshot().await?;
        let row = sqlx::query(
            "SELECT * FROM seen_keys WHERE provider = $1 AND account = $2 AND key_id = $3",
        )
        .bind(&entity.provider)
        .bind(&entity.account)
        .bind(&entity.key)
        .fetch_optional(&mut *snapshot)
        .await
        .doing("read a seen key")?;
        let Some(row) = row else { return Ok(None) };
        let mut key = seen_key(&row)?;
        for (fact, run) in history(&mut snapshot, entity).await? {
            key.learn(fact, run);
        }
        Ok(Some(key))
    }

    /// Returns every change of a key, the oldest first.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn key_history(&self, entity: &Entity) -> Result<Vec<KeyChange>, Error> {
        let mut snapshot = self.snapshot().await?;
        let history = history(&mut snapshot, entity).await?;
        let mut changes: Vec<_> = history
            .into_iter()
            .map(|(fact, run)| KeyChange {
                entity: entity.clone(),
                fact,
                value: run.value,
                time: run.first_at,
                actor: run.actor,
                source: run.source,
            })
            .collect();
        changes.sort_by_key(|change| (change.time, change.fact));
        Ok(changes)
    }
}

/// Finds the key that a sighting is of, and notes the sighting; says whether the key is new.
///
/// A list and an audit log may disagree about the account, which one of them often leaves open.
/// The same id of the same provider, with an account that one of both does not have, is the same
/// key. The account is then that of a list, or else the one that there is: the same in whatever
/// order they come.
async fn settle(
    connection: &mut AnyConnection,
    sighting: &KeySighting,
) -> Result<(Entity, bool), Error> {
    let mut entity = sighting.entity.clone();
    let listed = sighting.source == SightingSource::List;
    let rows = sqlx::query(
        "SELECT account, listed FROM seen_keys WHERE provider = $1 AND key_id = $2
         ORDER BY account",
    )
    .bind(&entity.provider)
    .bind(&entity.key)
    .fetch_all(&mut *connection)
    .await
    .doing("look for a key")?;
    let mut known = Vec::new();
    for row in &rows {
        known.push((get::<String>(row, "account")?, flag(row, "listed")?));
    }
    let exact = known.iter().any(|(account, _)| *account == entity.account);
    let other = known
        .into_iter()
        .find(|(account, _)| account.is_empty() != entity.account.is_empty());
    if let (false, Some((account, other_listed))) = (exact, &other) {
        let rank = |account: &str, listed: bool| (listed, !account.is_empty());
        if rank(&entity.account, listed) > rank(account, *other_listed) {
            rename(connection, &entity, account).await?;
        } else {
            entity.account.clone_from(account);
        }
    }
    let time = sighting.time.millis();
    sqlx::query(
        "INSERT INTO seen_keys (provider, account, key_id, listed, first_seen, last_seen, last_used)
         VALUES ($1, $2, $3, $4, $5, $5, $6)
         ON CONFLICT (provider, account, key_id) DO UPDATE SET
             listed = CASE WHEN seen_keys.listed > excluded.listed
                 THEN seen_keys.listed ELSE excluded.listed END,
             first_seen = CASE WHEN seen_keys.first_seen < excluded.first_seen
                 THEN seen_keys.first_seen ELSE excluded.first_seen END,
             last_seen = CASE WHEN seen_keys.last_seen > excluded.last_seen
                 THEN seen_keys.last_seen ELSE excluded.last_seen END,
             last_used = CASE WHEN seen_keys.last_used > excluded.last_used
                 THEN seen_keys.last_used
                 ELSE coalesce(excluded.last_used, seen_keys.last_used) END",
    )
    .bind(&entity.provider)
    .bind(&entity.account)
    .bind(&entity.key)
    .bind(i64::from(listed))
    .bind(time)
    .bind(sighting.last_used.map(Timestamp::millis))
    .execute(connection)
    .await
    .doing("note a sighting of a key")?;
    Ok((entity, !exact && other.is_none()))
}

/// Gives a key the account of `entity` in place of `account`.
async fn rename(
    connection: &mut AnyConnection,
    entity: &Entity,
    account: &str,
) -> Result<(), Error> {
    for statement in [
        "UPDATE seen_keys SET account = $1 WHERE provider = $2 AND account = $3 AND key_id = $4",
        "UPDATE key_history SET account = $1 WHERE provider = $2 AND account = $3 AND key_id = $4",
    ] {
        sqlx::query(statement)
            .bind(&entity.account)
            .bind(&entity.provider)
            .bind(account)
            .bind(&entity.key)
            .execute(&mut *connection)
            .await
            .doing("give a key its account")?;
    }
    Ok(())
}

/// Places a sighting in the history of a fact; says whether that changed the story.
async fn learn(
    connection: &mut AnyConnection,
    entity: &Entity,
    fact: KeyFact,
    seen: Run,
) -> Result<bool, Error> {
    if fact == KeyFact::Changed {
        return insert(connection, entity, fact, &seen).await;
    }
    let mut around = [None, None];
    for (place, query) in around.iter_mut().zip([
        "SELECT * FROM key_history WHERE provider = $1 AND account = $2 AND key_id = $3
         AND fact = $4 AND first_at <= $5 ORDER BY first_at DESC LIMIT 1",
        "SELECT * FROM key_history WHERE provider = $1 AND account = $2 AND key_id = $3
         AND fact = $4 AND first_at > $5 ORDER BY first_at LIMIT 1",
    ]) {
        let row = sqlx::query(query)
            .bind(&entity.provider)
            .bind(&entity.account)
            .bind(&entity.key)
            .bind(fact.as_str())
            .bind(seen.first_at.millis())
            .fetch_optional(&mut *connection)
            .await
            .doing("read a fact of a key")?;
        *place = row.as_ref().map(history_row).transpose()?;
    }
    let [before, after] = around.map(|row| row.map(|(_, _, run)| run));
    let edit = place(before.as_ref(), after.as_ref(), seen);
    for run in &edit.remove {
        sqlx::query(
            "DELETE FROM key_history WHERE provider = $1 AND account = $2 AND key_id = $3
             AND fact = $4 AND first_at = $5 AND value = $6",
        )
        .bind(&entity.provider)
        .bind(&entity.account)
        .bind(&entity.key)
        .bind(fact.as_str())
        .bind(run.first_at.millis())
        .bind(&run.value)
        .execute(&mut *connection)
        .await
        .doing("change a fact of a key")?;
    }
    for run in &edit.insert {
        insert(connection, entity, fact, run).await?;
    }
    Ok(edit.changes)
}

/// Inserts a run; says whether it was not there yet.
async fn insert(
    connection: &mut AnyConnection,
    entity: &Entity,
    fact: KeyFact,
    run: &Run,
) -> Result<bool, Error> {
    let done = sqlx::query(
        "INSERT INTO key_history
             (provider, account, key_id, fact, first_at, last_at, value, actor, source)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(&entity.provider)
    .bind(&entity.account)
    .bind(&entity.key)
    .bind(fact.as_str())
    .bind(run.first_at.millis())
    .bind(run.last_at.millis())
    .bind(&run.value)
    .bind(&run.actor)
    .bind(run.source.as_str())
    .execute(connection)
    .await
    .doing("store a fact of a key")?;
    Ok(done.rows_affected() > 0)
}

async fn history(
    connection: &mut AnyConnection,
    entity: &Entity,
) -> Result<Vec<(KeyFact, Run)>, Error> {
    let rows = sqlx::query(
        "SELECT * FROM key_history WHERE provider = $1 AND account = $2 AND key_id = $3
         ORDER BY fact, first_at",
    )
    .bind(&entity.provider)
    .bind(&entity.account)
    .bind(&entity.key)
    .fetch_all(connection)
    .await
    .doing("read the history of a key")?;
    let of_row = |row| history_row(row).map(|(_, fact, run)| (fact, run));
    rows.iter().map(of_row).collect()
}

fn entity_of(row: &AnyRow) -> Result<Entity, Error> {
    Ok(Entity {
        provider: get(row, "provider")?,
        account: get(row, "account")?,
        key: get(row, "key_id")?,
    })
}

fn seen_key(row: &AnyRow) -> Result<SeenKey, Error> {
    Ok(SeenKey {
        entity: entity_of(row)?,
        last_used: time_if_known(row, "last_used")?,
        first_seen: time(row, "first_seen")?,
        last_seen: time(row, "last_seen")?,
        ..SeenKey::default()
    })
}

fn history_row(row: &AnyRow) -> Result<(Entity, KeyFact, Run), Error> {
    let unknown = |column: &'static str, value: &str| Error::Value {
        column,
        value: value.to_owned(),
    };
    let fact: String = row.try_get("fact").doing("read a column")?;
    let source: String = row.try_get("source").doing("read a column")?;
    let run = Run {
        first_at: time(row, "first_at")?,
        last_at: time(row, "last_at")?,
        value: get(row, "value")?,
        actor: get(row, "actor")?,
        source: SightingSource::from_word(&source).ok_or_else(|| unknown("source", &source))?,
    };
    let fact = KeyFact::from_word(&fact).ok_or_else(|| unknown("fact", &fact))?;
    Ok((entity_of(row)?, fact, run))
}

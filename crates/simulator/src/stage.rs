//! Plays a script: keys and owners, then abuses and oddities, then events and labels.

use model::{Change, Inventory, Timestamp, Window};

use crate::abuse::{Abuse, Plan, Room};
use crate::caller::Ids;
use crate::chance;
use crate::disorder;
use crate::event::SimulatedEvent;
use crate::key::{Actor, Member};
use crate::labels::{AbuseLabel, KeyLabel, Labels, OddityLabel};
use crate::oddity::Oddity;
use crate::{Options, Simulation};

/// What a scenario wants to happen.
pub(crate) struct Script {
    pub(crate) scenario: &'static str,
    pub(crate) span: Window,
    pub(crate) scored: Window,
    pub(crate) members: Vec<Member>,
    pub(crate) abuses: Vec<Casting>,
    pub(crate) oddities: Vec<(&'static dyn Oddity, u32)>,
    /// Changes that do not come of an oddity.
    pub(crate) changes: Vec<Change>,
}

/// One kind of abuse, and whom it hits when.
pub(crate) struct Casting {
    pub(crate) abuse: &'static dyn Abuse,
    pub(crate) victims: Victims,
    pub(crate) room: Room,
}

/// Whom an abuse hits.
pub(crate) enum Victims {
    /// So many suitable keys, by lot.
    Any(u32),
    /// This member of the script.
    Member(usize),
}

/// A key with its owner and what befalls it.
struct Role {
    actor: Actor,
    number: u64,
    abuse: Option<(&'static str, Plan)>,
    oddities: Vec<OddityLabel>,
}

impl Role {
    fn is_free(&self) -> bool {
        self.abuse.is_none() && self.oddities.is_empty()
    }
}

/// Plays `script` with `seed`.
pub(crate) fn play(script: Script, seed: u64, options: &Options) -> Simulation {
    let mut roles: Vec<Role> = script
        .members
        .iter()
        .map(|member| Role {
            actor: Actor::make(seed, member, script.span),
            number: member.number,
            abuse: None,
            oddities: Vec::new(),
        })
        .collect();
    let mut changes = script.changes;
    for casting in &script.abuses {
        cast_abuse(&mut roles, casting, seed);
    }
    for (oddity, count) in &script.oddities {
        cast_oddity(
            &mut roles,
            *oddity,
            *count,
            script.scored,
            seed,
            &mut changes,
        );
    }
    changes.sort_by_key(|change| change.time);

    let mut events = Vec::new();
    let mut labels = Labels {
        version: Labels::VERSION.to_owned(),
        scenario: script.scenario.to_owned(),
        seed,
        scored: script.scored,
        abuses: Vec::new(),
        oddities: Vec::new(),
        keys: Vec::new(),
    };
    let mut inventory = Inventory {
        keys: Vec::new(),
        changes,
    };
    for role in roles {
        events.append(&mut role_events(&role, seed, options, &mut labels.abuses));
        labels.oddities.extend(role.oddities);
        labels.keys.push(KeyLabel {
            key: role.actor.entry.key.clone(),
            account: role.actor.entry.account.clone(),
            class: role.actor.key.class.to_owned(),
            exists: role.actor.exists,
        });
        inventory.keys.push(role.actor.entry);
    }
    disorder::sort_by_arrival(&mut events);
    // By name, because the order of a script tells who is hit.
    inventory
        .keys
        .sort_by(|a, b| (&a.account, &a.key).cmp(&(&b.account, &b.key)));
    labels
        .keys
        .sort_by(|a, b| (&a.account, &a.key).cmp(&(&b.account, &b.key)));
    labels
        .abuses
        .sort_by(|a, b| (a.start, &a.key).cmp(&(b.start, &b.key)));
    labels
        .oddities
        .sort_by(|a, b| (a.start, &a.key).cmp(&(b.start, &b.key)));
    let days = script.span.width_millis().div_euclid(Timestamp::DAY)
        + i64::from(script.span.width_millis() % Timestamp::DAY > 0);
    Simulation {
        events,
        inventory,
        labels,
        days: days as u32,
        start: script.span.start,
    }
}

/// Returns free roles in an order that depends on the seed, the cause and the key alone, so
/// that one more key does not deal all the others anew.
fn by_lot(roles: &[Role], cause: &str, seed: u64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..roles.len()).collect();
    places.retain(|place| roles[*place].is_free());
    places.sort_by_key(|place| chance::digest(&[cause, &roles[*place].actor.entry.key], seed));
    places
}

fn cast_abuse(roles: &mut [Role], casting: &Casting, seed: u64) {
    let abuse = casting.abuse;
    let (candidates, count) = match casting.victims {
        Victims::Any(count) => (by_lot(roles, abuse.name(), seed), count),
        Victims::Member(place) => (vec![place], 1),
    };
    let by_lot = matches!(casting.victims, Victims::Any(_));
    let mut planned = 0;
    for place in candidates {
        if planned == count {
            return;
        }
        let role = &mut roles[place];
        let first = casting.room.starts.start;
        if by_lot && (role.actor.exists.start >= first || !abuse.suits(&role.actor, first)) {
            continue;
        }
        let class = role.actor.key.class;
        let purpose = format!("abuse {}", abuse.name());
        let mut rng = chance::stream(seed, &purpose, class, role.number);
        if let Some(plan) = abuse.plan(&role.actor, &casting.room, &mut rng) {
            role.abuse = Some((abuse.name(), plan));
            planned += 1;
        }
    }
}

fn cast_oddity(
    roles: &mut [Role],
    oddity: &'static dyn Oddity,
    count: u32,
    scored: Window,
    seed: u64,
    changes: &mut Vec<Change>,
) {
    let mut nth = 0;
    for place in by_lot(roles, oddity.name(), seed) {
        if nth == count {
            return;
        }
        let role = &mut roles[place];
        if !oddity.suits(&role.actor, scored.start) {
            continue;
        }
        let purpose = format!("oddity {}", oddity.name());
        let mut rng = chance::stream(seed, &purpose, role.actor.key.class, role.number);
        for spell in oddity.apply(&mut role.actor, nth, scored, &mut rng) {
            role.oddities.push(OddityLabel {
                key: role.actor.entry.key.clone(),
                kind: oddity.name().to_owned(),
                start: spell.window.start,
                end: spell.window.end,
                announced: spell.announcement.is_some(),
            });
            changes.extend(spell.announcement);
        }
        nth += 1;
    }
}

/// Returns all events of a key, and adds the label of its abuse.
fn role_events(
    role: &Role,
    seed: u64,
    options: &Options,
    abuses: &mut Vec<AbuseLabel>,
) -> Vec<SimulatedEvent> {
    let actor = &role.actor;
    let rng = |purpose| chance::stream(seed, purpose, actor.key.class, role.number);
    let mut ids = Ids::new(actor.key.uid);
    let mut events = Vec::new();
    if let Some((kind, plan)) = &role.abuse {
        let mut rng = rng("dress abuse");
        let caller = &plan.caller;
        caller.dress(&actor.key, &plan.batches, &mut ids, &mut rng, &mut events);
        let intensity = (plan.intensity, plan.unit);
        abuses.extend(AbuseLabel::from_events(kind, intensity, &events));
    }
    let left = role
        .abuse
        .as_ref()
        .and_then(|(_, plan)| plan.owner_left.as_ref());
    let owned = left.unwrap_or(&actor.batches);
    actor.owner.dress(
        &actor.key,
        owned,
        &mut ids,
        &mut rng("dress owner"),
        &mut events,
    );
    if options.disorder {
        disorder::disturb(&mut events, &mut rng("disorder"));
    }
    events
}

//! Plays a script: keys and owners, then abuses and oddities, then events and labels.

use std::collections::BTreeMap;

use model::{Change, Inventory, Timestamp, Window};

use crate::abuse::{Abuse, Plan, Room};
use crate::caller::Ids;
use crate::chance;
use crate::disorder;
use crate::event::SimulatedEvent;
use crate::key::{Actor, Member};
use crate::labels::{AbuseLabel, KeyLabel, Labels, OddityLabel};
use crate::oddity::{Oddity, Scope, Spell};
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
    /// Whether labels count the abuser's requests by minute.
    pub(crate) counts_requests: bool,
}

/// One kind of abuse, and whom it hits when.
pub(crate) struct Casting {
    pub(crate) abuse: &'static dyn Abuse,
    pub(crate) victims: Victims,
    pub(crate) room: Room,
    /// What the labels call all abuses of this casting together.
    pub(crate) group: Option<String>,
}

/// Whom an abuse hits.
pub(crate) enum Victims {
    /// So many suitable keys, by lot.
    Any(u32),
    /// Suitable keys that are stored with this vendor, by lot.
    StoredWith(&'static str),
    /// This member of the script.
    Member(usize),
}

/// How many keys of a vendor are hit at most, unless that is less than the least share.
const STORED_MOST: usize = 30;

/// What share of the keys stored with a vendor is hit at least, and of the suitable ones at
/// most.
const STORED_SHARES: (f64, f64) = (0.12, 0.75);

/// A key with its owner and what befalls it.
struct Role {
    actor: Actor,
    number: u64,
    abuse: Option<Fate>,
    oddities: Vec<OddityLabel>,
    /// Oddities of its whole account or provider, which leave room for others.
    shared_oddities: Vec<OddityLabel>,
}

/// The abuse of a key.
struct Fate {
    kind: &'static str,
    group: Option<String>,
    plan: Plan,
}

impl Role {
    fn new(actor: Actor, number: u64) -> Self {
        Self {
            actor,
            number,
            abuse: None,
            oddities: Vec::new(),
            shared_oddities: Vec::new(),
        }
    }

    fn is_free(&self) -> bool {
        self.abuse.is_none() && self.oddities.is_empty()
    }
}

/// Plays `script` with `seed`.
pub(crate) fn play(script: Script, seed: u64, options: &Options) -> Simulation {
    let mut roles: Vec<Role> = script
        .members
        .iter()
        .map(|member| Role::new(Actor::make(seed, member, script.span), member.number))
        .collect();
    let mut changes = script.changes;
    // What befalls many keys comes first, so that an abuse of one is planned upon it.
    for (oddity, count) in &script.oddities {
        if oddity.scope() != Scope::Key {
            let scored = script.scored;
            cast_shared_oddity(&mut roles, *oddity, *count, scored, seed, &mut changes);
        }
    }
    for casting in &script.abuses {
        cast_abuse(&mut roles, casting, seed);
    }
    for (oddity, count) in &script.oddities {
        if oddity.scope() == Scope::Key {
            let scored = script.scored;
            cast_oddity(&mut roles, *oddity, *count, scored, seed, &mut changes);
        }
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
        labels.oddities.extend(role.shared_oddities);
        labels.keys.push(KeyLabel {
            key: role.actor.entry.key.clone(),
            account: role.actor.entry.account.clone(),
            class: role.actor.key.class.to_owned(),
            exists: role.actor.exists,
        });
        inventory.keys.push(role.actor.entry);
    }
    disorder::sort_by_arrival(&mut events);
    if !script.counts_requests {
        let abuses = labels.abuses.iter_mut();
        abuses.for_each(|abuse| abuse.cumulative_requests = Vec::new());
    }
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
        Victims::Any(count) => (by_lot(roles, abuse.name(), seed), count as usize),
        Victims::StoredWith(vendor) => stored_with(roles, casting, vendor, seed),
        Victims::Member(place) => (vec![place], 1),
    };
    let by_lot = !matches!(casting.victims, Victims::Member(_));
    let mut planned = 0;
    for place in candidates {
        if planned == count {
            return;
        }
        let role = &mut roles[place];
        if by_lot && !may_hit(casting, &role.actor) {
            continue;
        }
        let class = role.actor.key.class;
        let purpose = format!("abuse {}", abuse.name());
        let mut rng = chance::stream(seed, &purpose, class, role.number);
        if let Some(plan) = abuse.plan(&role.actor, &casting.room, &mut rng) {
            role.abuse = Some(Fate {
                kind: abuse.name(),
                group: casting.group.clone(),
                plan,
            });
            planned += 1;
        }
    }
}

fn may_hit(casting: &Casting, actor: &Actor) -> bool {
    let first = casting.room.starts.start;
    let is_new = actor.exists.start >= first;
    is_new == casting.abuse.hits_new_keys() && casting.abuse.suits(actor, first)
}

/// Returns the suitable keys stored with `vendor` by lot, and how many of them are hit.
fn stored_with(roles: &[Role], casting: &Casting, vendor: &str, seed: u64) -> (Vec<usize>, usize) {
    let is_stored = |role: &Role| role.actor.entry.vendors.iter().any(|name| name == vendor);
    let stored = roles.iter().filter(|role| is_stored(role)).count() as f64;
    let mut able = by_lot(roles, casting.abuse.name(), seed);
    able.retain(|place| is_stored(&roles[*place]) && may_hit(casting, &roles[*place].actor));
    let most = (able.len() as f64 * STORED_SHARES.1) as usize;
    let least = (stored * STORED_SHARES.0).ceil() as usize;
    (able, STORED_MOST.min(most).max(least))
}

/// Applies an oddity to `count` keys by lot, and adds the keys that take over from them.
fn cast_oddity(
    roles: &mut Vec<Role>,
    oddity: &'static dyn Oddity,
    count: u32,
    scored: Window,
    seed: u64,
    changes: &mut Vec<Change>,
) {
    let mut nth = 0;
    let mut successors = Vec::new();
    for place in by_lot(roles, oddity.name(), seed) {
        if nth == count {
            break;
        }
        let role = &mut roles[place];
        if !oddity.suits(&role.actor, scored.start) {
            continue;
        }
        let purpose = format!("oddity {}", oddity.name());
        let mut rng = chance::stream(seed, &purpose, role.actor.key.class, role.number);
        for spell in oddity.apply(&mut role.actor, nth, scored, &mut rng) {
            role.oddities.push(label(&role.actor, oddity, &spell));
            changes.extend(spell.announcement);
        }
        if let Some(successor) = role.actor.successor.take() {
            // Far from the numbers of the members, for the streams of its own.
            let mut next = Role::new(*successor, role.number + (1 << 32));
            let key = &next.actor.entry.key;
            let inherited = role.oddities.iter().map(|label| OddityLabel {
                key: key.clone(),
                ..label.clone()
            });
            next.oddities = inherited.collect();
            successors.push(next);
        }
        nth += 1;
    }
    roles.append(&mut successors);
}

/// Applies an oddity to `count` whole accounts or providers.
fn cast_shared_oddity(
    roles: &mut [Role],
    oddity: &'static dyn Oddity,
    count: u32,
    scored: Window,
    seed: u64,
    changes: &mut Vec<Change>,
) {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, role) in roles.iter().enumerate() {
        let entry = &role.actor.entry;
        let name = match oddity.scope() {
            Scope::Provider => &entry.provider,
            Scope::Account | Scope::Key => &entry.account,
        };
        if oddity.suits(&role.actor, scored.start) {
            groups.entry(name.clone()).or_default().push(place);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(name, _)| chance::digest(&[oddity.name(), name], seed));
    let purpose = format!("oddity {}", oddity.name());
    for (nth, (name, places)) in (0..count).zip(groups) {
        for place in places {
            let role = &mut roles[place];
            // The same stream for every key, so that they draw the same day.
            let mut rng = chance::stream(seed, &purpose, &name, 0);
            for spell in oddity.apply(&mut role.actor, nth, scored, &mut rng) {
                role.shared_oddities
                    .push(label(&role.actor, oddity, &spell));
                // One for all its keys.
                if let Some(change) = spell.announcement
                    && !changes.contains(&change)
                {
                    changes.push(change);
                }
            }
        }
    }
}

fn label(actor: &Actor, oddity: &dyn Oddity, spell: &Spell) -> OddityLabel {
    OddityLabel {
        key: actor.entry.key.clone(),
        kind: oddity.name().to_owned(),
        start: spell.window.start,
        end: spell.window.end,
        announced: spell.announcement.is_some(),
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
    let is_lost = |event: &SimulatedEvent| actor.lost.iter().any(|gap| gap.contains(event.time));
    if let Some(Fate { kind, group, plan }) = &role.abuse {
        let mut rng = rng("dress abuse");
        let caller = &plan.caller;
        caller.dress(&actor.key, &plan.batches, &mut ids, &mut rng, &mut events);
        caller.dress_probes(&actor.key, &plan.probes, &mut ids, &mut rng, &mut events);
        events.retain(|event| !is_lost(event));
        let intensity = (plan.intensity, plan.unit);
        let label = AbuseLabel::from_events(kind, intensity, &events);
        abuses.extend(label.map(|label| AbuseLabel {
            group: group.clone(),
            ..label
        }));
    }
    let fate = role.abuse.as_ref();
    let left = fate.and_then(|fate| fate.plan.owner_left.as_ref());
    let owned = left.unwrap_or(&actor.batches);
    actor.owner.dress(
        &actor.key,
        owned,
        &mut ids,
        &mut rng("dress owner"),
        &mut events,
    );
    events.retain(|event| !is_lost(event));
    if options.disorder {
        disorder::disturb(&mut events, &mut rng("disorder"));
    }
    events
}

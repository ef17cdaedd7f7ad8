//! Several pipelines share a log of four partitions: they come, go, die and hang by the throw of a
//! die, and in the end there is what one alone would have found.
//!
//! The group, the log that instances share and the place of snapshots are doubles; history and
//! casebook are one for all. A pipeline that dies is dropped where it waits; one that hangs is not
//! polled for a while, and wakes up with partitions that are another's by then. Storage and history
//! are away for a while, too, and partitions change hands meanwhile.

mod member;
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use casebook::AlertFilter;
use model::{Alert, Detector, Partition, Rebalance, Rebalanced};
use tokio::sync::oneshot;

use member::Member;
use world::{PARTITIONS, Reach, World};

/// A die that falls the same way for the same seed.
struct Die(u64);

impl Die {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % sides
    }
}

/// Who has what, as the group's coordinator sees it.
struct Group {
    world: Arc<World>,
    members: Vec<(Member, Vec<Partition>)>,
    named: usize,
}

impl Group {
    fn join(&mut self) {
        self.named += 1;
        let name = format!("instance-{}", self.named);
        let member = Member::start(&self.world, Some(&name));
        self.members.push((member, Vec::new()));
    }

    /// Deals all partitions out, those in `free` to anybody: who has too many gives some up first.
    async fn balance(&mut self, mut free: VecDeque<Partition>) {
        let most = (PARTITIONS as usize).div_ceil(self.members.len());
        for (member, partitions) in &mut self.members {
            if partitions.len() > most {
                let going = partitions.split_off(most);
                member.revoke(&going).await;
                free.extend(going);
            }
        }
        for (member, partitions) in &mut self.members {
            let coming: Vec<Partition> = (partitions.len()..most)
                .filter_map(|_| free.pop_front())
                .collect();
            if !coming.is_empty() {
                member.assign(&coming).await;
                partitions.extend(coming);
            }
        }
        assert!(free.is_empty());
    }

    /// Something does not answer, or refuses, for a while in which one instance gives up what it
    /// had, and another joins unless there are many.
    async fn away(&mut self, what: fn(&World) -> &Mutex<Reach>, die: &mut Die) {
        let how = [Reach::Refuses, Reach::Hangs][die.throw(2)];
        *what(&self.world).lock().unwrap() = how;
        let world = self.world.clone();
        let long = Duration::from_millis(10 + die.throw(60) as u64);
        let back = tokio::spawn(async move {
            tokio::time::sleep(long).await;
            *what(&world).lock().unwrap() = Reach::Answers;
        });
        let (member, partitions) = self.members.remove(0);
        if self.members.len() < 3 {
            self.join();
        }
        member.revoke(&partitions).await;
        self.balance(partitions.into()).await;
        self.members.push((member, Vec::new()));
        back.await.unwrap();
    }

    /// One thing happens.
    async fn disturb(&mut self, die: &mut Die) -> &'static str {
        let at = die.throw(self.members.len());
        match die.throw(7) {
            0 | 1 if self.members.len() < 4 => {
                self.join();
                self.balance(VecDeque::new()).await;
                "one joins"
            }
            2 if self.members.len() > 1 => {
                let (member, partitions) = self.members.remove(at);
                member.revoke(&partitions).await;
                member.stop().await;
                self.balance(partitions.into()).await;
                "one leaves"
            }
            3 => {
                let (member, partitions) = self.members.remove(at);
                member.run.abort();
                drop(member);
                if self.members.is_empty() {
                    self.join();
                }
                self.balance(partitions.into()).await;
                "one dies"
            }
            4 => {
                self.away(|world| &world.storage, die).await;
                "storage is away while one changes places with another"
            }
            5 => {
                self.away(|world| &world.history_reach, die).await;
                "history is away while one changes places with another"
            }
            _ if self.members.len() > 1 => {
                let (member, partitions) = self.members.remove(at);
                member.set_held(true);
                self.balance(partitions.clone().into()).await;
                tokio::time::sleep(Duration::from_millis(die.throw(30) as u64)).await;
                member.set_held(false);
                // It does not know yet.
                tokio::time::sleep(Duration::from_millis(die.throw(30) as u64)).await;
                member.revoke(&partitions).await;
                self.members.push((member, Vec::new()));
                "one hangs"
            }
            _ => "nothing",
        }
    }
}

/// What there is in the end: alerts by id, without the incidents' names, and rows.
async fn outcome(world: &World) -> (usize, BTreeMap<String, Alert>) {
    let filter = AlertFilter {
        limit: 100_000,
        ..AlertFilter::default()
    };
    let alerts = world.casebook.alerts(filter).await.unwrap();
    let alerts = alerts.into_iter().map(|mut alert| {
        // Its name is that of the alert that came first, which is chance.
        alert.incident_id = model::IncidentId::from_text(String::new());
        (alert.alert_id.to_string(), alert)
    });
    (world.history.rows(), alerts.collect())
}

async fn undisturbed() -> (usize, BTreeMap<String, Alert>) {
    let world = World::new().await;
    let member = Member::start(&world, None);
    let all = world.input.keys().map(|partition| (partition.clone(), 0));
    member.positions.lock().unwrap().extend(all);
    world.produce(1.0);
    world.until_all_is_read().await;
    member.stop().await;
    outcome(&world).await
}

async fn disturbed(seed: u64) -> (usize, BTreeMap<String, Alert>) {
    let world = World::new().await;
    let mut die = Die(seed);
    let mut group = Group {
        world: world.clone(),
        members: Vec::new(),
        named: 0,
    };
    group.join();
    let all: VecDeque<Partition> = world.input.keys().cloned().collect();
    group.balance(all).await;
    let steps = 20;
    for step in 1..=steps {
        world.produce(f64::from(step) / f64::from(steps));
        tokio::time::sleep(Duration::from_millis(die.throw(40) as u64)).await;
        let what = group.disturb(&mut die).await;
        eprintln!(
            "seed {seed}, step {step}: {what}, {} members",
            group.members.len()
        );
    }
    world.until_all_is_read().await;
    // What has been said last is heard by all.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for (member, _) in group.members {
        member.stop().await;
    }
    outcome(&world).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_partition_finds_the_same() {
    let (rows, expected) = undisturbed().await;
    let count = |detector| {
        let alerts = expected.values();
        alerts.filter(|alert| alert.detector == detector).count()
    };
    let of_campaigns = count(Detector::Campaign);
    assert!(
        of_campaigns >= 3 && of_campaigns < expected.len(),
        "{expected:?}"
    );
    for seed in 1..=8 {
        let (found_rows, found) = disturbed(seed).await;
        assert_eq!(found_rows, rows, "seed {seed}");
        let ids = |alerts: &BTreeMap<String, Alert>| alerts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(ids(&found), ids(&expected), "seed {seed}");
        for (id, alert) in &found {
            assert_eq!(alert, &expected[id], "seed {seed}");
        }
    }
}

/// What a group cannot prevent: a member that hung while it was given a partition claims it long
/// after another was given it, and then gives it up as it is told. The other has stopped to read by
/// then, ends, and takes it anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_comes_late_stops_a_partition_for_a_while_and_changes_nothing() {
    let (rows, expected) = undisturbed().await;
    let world = World::with_patience(Duration::from_millis(400)).await;
    let all: Vec<Partition> = world.input.keys().cloned().collect();
    let contested = &all[..1];
    let owner = Member::start(&world, Some("owner"));
    let late = Member::start(&world, Some("late"));
    owner.assign(&all).await;
    world.produce(0.3);
    world.until_all_is_read().await;

    owner.revoke(contested).await;
    late.set_held(true);
    let (change, partitions) = (Rebalanced::Assigned, contested.to_vec());
    let (answer, claimed) = oneshot::channel();
    let given = Rebalance::new(change, partitions, move |starts| {
        let _ = answer.send(starts);
    });
    late.rebalances.send(given).unwrap();
    owner.assign(contested).await;
    world.produce(0.6);
    world.until_all_is_read().await;

    late.set_held(false);
    claimed.await.unwrap();
    late.revoke(contested).await;
    world.produce(1.0);
    let ended = tokio::time::timeout(Duration::from_secs(60), owner.run).await;
    let error = ended.expect("it ends by itself").unwrap().unwrap_err();
    assert!(
        matches!(&error, pipeline::Error::Lost(partition) if *partition == contested[0]),
        "{error}"
    );
    let again = Member::start(&world, Some("owner"));
    again.assign(&all).await;
    world.until_all_is_read().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    again.stop().await;
    late.stop().await;
    let (found_rows, found) = outcome(&world).await;
    assert_eq!(found_rows, rows);
    assert_eq!(found, expected);
}

//! A vendor loses the keys it stores: many keys are used a little in the same hour.

use model::{Timestamp, Window};

use super::{Abuse, Plan, Room, is_busy, is_prompt, plan_of_any_size, settle, spread};
use crate::address::{AddressBook, Network};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// One and a half times to twice the owner's total of one hour, from a network that all
/// keys of the breach see. No key alone shows much.
pub(crate) struct VendorBreach;

impl Abuse for VendorBreach {
    fn name(&self) -> &'static str {
        "vendor_breach"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        is_prompt(victim) && is_busy(victim, time, 1.5)
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let times = chance::between(rng, 1.5, 2.0);
        let window = room.place(clock::hours(1.0), rng);
        let window = Window {
            start: window.start,
            end: window.start.plus(clock::hours(1.0)),
        };
        let total = victim.count(victim.key.grain.widened(window)) * (times - 1.0);
        let batches = settle(victim, window, spread(victim, window, total, false, rng));
        if batches.is_empty() {
            return None;
        }
        // Little on each key is the point, so a few requests count.
        let intensity = (times, "times_total_requests");
        let mut plan = plan_of_any_size(victim, window, intensity, batches, rng);
        plan.caller.book = AddressBook::stranger_in(network(room), rng);
        Some(plan)
    }
}

/// Draws the network from the time of the breach and nothing else, so that every key of it
/// sees the same one.
fn network(room: &Room) -> Network {
    let breach = room.starts.start.millis();
    let mut rng = chance::stream(0, "network", "vendor_breach", breach.unsigned_abs());
    Network::of_strangers(&mut rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abuse::tests::{actor, extent_hours, requests, room};
    use crate::kinds::HighVolume;

    #[test]
    fn keys_of_a_breach_share_the_hour_and_the_network() {
        let start = room().starts.start.plus(clock::hours(17.0));
        let breach = Room {
            starts: Window {
                start,
                end: start.plus(5 * Timestamp::MINUTE),
            },
            end: start.plus(clock::hours(2.0)),
        };
        let mut networks = Vec::new();
        for number in 0..3 {
            let victim = actor(&HighVolume, number);
            assert!(VendorBreach.suits(&victim, start));
            let mut rng = chance::stream(9, "abuse", "vendor_breach", number);
            let plan = VendorBreach.plan(&victim, &breach, &mut rng).unwrap();
            assert!((0.9..1.05).contains(&extent_hours(&plan)));
            let owner = victim.count(Window {
                start: plan.batches[0].time,
                end: plan.batches.last().unwrap().time.plus(1),
            });
            let times = (owner + requests(&plan.batches)) / owner;
            assert!((times - plan.intensity).abs() < 0.15, "{times}");
            networks.push(plan.caller.book.cidrs());
        }
        assert!(networks.iter().all(|cidrs| *cidrs == networks[0]));
    }
}

//! One fact of a key over time, whatever the order in which it is learnt.

use model::Timestamp;

use super::SightingSource;

/// A value and for how long it was seen without another in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
    pub(super) value: String,
    /// Who made it so at `first_at`.
    pub(super) actor: Option<String>,
    pub(super) source: SightingSource,
}

/// What becomes of the runs around a sighting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) remove: Vec<Run>,
    pub(super) insert: Vec<Run>,
    /// Whether the story changed, and not only how long something is known to have lasted.
    pub(super) changes: bool,
}

/// Places a sighting (a run of one moment) between the last run that begins no later and the first
/// that begins later.
///
/// ```text
/// runs    a a . . . b b         a between seen, b behind
/// seen        a                 a lasts longer
/// seen          b               b begins earlier
/// seen          c               a new run between
/// seen  at the 2nd of a a a: c  a, c, a
/// ```
/// The same sighting again edits nothing.
pub(super) fn place(before: Option<&Run>, after: Option<&Run>, seen: Run) -> Edit {
    let time = seen.first_at;
    let joins = after.filter(|after| after.value == seen.value);
    let Some(before) = before else {
        return match joins {
            Some(after) => begin_earlier(after, seen),
            None => begin(seen),
        };
    };
    if before.value == seen.value {
        return last_longer(before, seen);
    }
    if time > before.last_at {
        return match joins {
            Some(after) => begin_earlier(after, seen),
            None => begin(seen),
        };
    }
    // Within a run of another value. At a moment that has one, the weaker gives way.
    let contested = time == before.first_at || time == before.last_at;
    let rank = |run: &Run| (run.source, run.value.clone());
    if contested && rank(&seen) <= rank(before) {
        return Edit::default();
    }
    let at = |time: Timestamp, with_actor: bool| Run {
        first_at: time,
        last_at: time,
        actor: before.actor.clone().filter(|_| with_actor),
        ..before.clone()
    };
    let mut insert = vec![seen];
    if before.first_at < time {
        insert.push(at(before.first_at, true));
    }
    if before.last_at > time {
        insert.push(at(before.last_at, false));
    }
    Edit {
        remove: vec![before.clone()],
        insert,
        changes: true,
    }
}

fn begin(seen: Run) -> Edit {
    Edit {
        insert: vec![seen],
        changes: true,
        ..Edit::default()
    }
}

fn begin_earlier(after: &Run, seen: Run) -> Edit {
    Edit {
        remove: vec![after.clone()],
        insert: vec![Run {
            last_at: after.last_at,
            ..seen
        }],
        changes: true,
    }
}

fn last_longer(before: &Run, seen: Run) -> Edit {
    let mut longer = before.clone();
    longer.last_at = longer.last_at.max(seen.last_at);
    // Somebody is named for what a list could only find.
    let names = seen.first_at == before.first_at && before.actor.is_none() && seen.actor.is_some();
    if names {
        (longer.actor, longer.source) = (seen.actor, seen.source);
    }
    if longer == *before {
        return Edit::default();
    }
    Edit {
        remove: vec![before.clone()],
        insert: vec![longer],
        changes: names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(time: i64, value: &str, actor: Option<&str>) -> Run {
        let time = Timestamp::from_millis(time);
        Run {
            first_at: time,
            last_at: time,
            value: value.to_owned(),
            actor: actor.map(str::to_owned),
            source: match actor {
                Some(_) => SightingSource::Audit,
                None => SightingSource::List,
            },
        }
    }

    /// Tells the story of sightings in the order in which they are given: who made what, when.
    fn story(sightings: &[Run]) -> String {
        let mut runs: Vec<Run> = Vec::new();
        for sighting in sightings {
            for again in [false, true] {
                let time = sighting.first_at;
                let before = runs.iter().rfind(|run| run.first_at <= time).cloned();
                let after = runs.iter().find(|run| run.first_at > time).cloned();
                let edit = place(before.as_ref(), after.as_ref(), sighting.clone());
                assert!(!again || edit == Edit::default(), "{edit:?}");
                runs.retain(|run| !edit.remove.contains(run));
                runs.extend(edit.insert);
                runs.sort_by_key(|run| run.first_at);
            }
        }
        let words = runs.iter().map(|run| {
            let actor = run.actor.as_deref().unwrap_or("?");
            format!("{}@{} {actor}", run.value, run.first_at.millis())
        });
        words.collect::<Vec<_>>().join(", ")
    }

    #[track_caller]
    fn check_in_any_order(sightings: &[Run], expected: &str) {
        let mut order: Vec<usize> = (0..sightings.len()).collect();
        // Heap's algorithm.
        let mut counters = vec![0; order.len()];
        let check = |order: &[usize]| {
            let given: Vec<_> = order.iter().map(|i| sightings[*i].clone()).collect();
            assert_eq!(story(&given), expected, "{order:?}");
        };
        check(&order);
        let mut i = 0;
        while i < order.len() {
            if counters[i] < i {
                let other = if i % 2 == 0 { 0 } else { counters[i] };
                order.swap(other, i);
                check(&order);
                counters[i] += 1;
                i = 0;
            } else {
                counters[i] = 0;
                i += 1;
            }
        }
    }

    #[test]
    fn the_story_is_the_same_in_whatever_order_it_is_learnt() {
        check_in_any_order(
            &[
                seen(10, "active", Some("ada")),
                seen(20, "active", None),
                seen(30, "inactive", Some("bob")),
                seen(40, "inactive", None),
                seen(50, "active", None),
            ],
            "active@10 ada, inactive@30 bob, active@50 ?",
        );
        check_in_any_order(
            &[
                seen(10, "active", None),
                seen(20, "inactive", None),
                seen(30, "active", None),
                seen(30, "deleted", Some("bob")),
            ],
            "active@10 ?, inactive@20 ?, deleted@30 bob",
        );
        check_in_any_order(
            &[
                seen(10, "ada", None),
                seen(10, "ada", Some("root")),
                seen(20, "ada", None),
            ],
            "ada@10 root",
        );
    }
}

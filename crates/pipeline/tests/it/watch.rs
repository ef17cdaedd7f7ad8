//! People are told when Spikewatch itself is not well, once, and when it is again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::double::MemoryChannel;
use model::{Clock, Timestamp, Trouble};
use pipeline::{PipelineVitals, Watch};

/// A clock that is put forward by hand.
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct House {
    vitals: Arc<PipelineVitals>,
    channel: Arc<MemoryChannel>,
    clock: Arc<HandClock>,
    watch: Watch,
}

impl House {
    fn new() -> Self {
        let vitals = Arc::new(PipelineVitals::default());
        let channel = Arc::new(MemoryChannel::default());
        let clock = Arc::new(HandClock(AtomicI64::new(1_777_896_000_000)));
        let watch = Watch::new(vitals.clone(), vec![channel.clone()], clock.clone());
        Self {
            vitals,
            channel,
            clock,
            watch,
        }
    }

    /// Looks every five seconds for so many minutes, while usage arrives.
    async fn pass(&mut self, minutes: i64) {
        for _ in 0..minutes * 12 {
            self.vitals.records.fetch_add(1, Ordering::SeqCst);
            self.pass_silently().await;
        }
    }

    async fn pass_silently(&mut self) {
        self.clock.0.fetch_add(5_000, Ordering::SeqCst);
        self.watch.look().await;
    }

    /// Returns what was told since it was asked last: the trouble, and whether it is over.
    fn told(&self) -> Vec<(Trouble, bool)> {
        let mut told = self.channel.told.lock().unwrap();
        let told = std::mem::take(&mut *told).into_iter();
        told.map(|alert| (alert.trouble, alert.ended.is_some()))
            .collect()
    }
}

#[tokio::test]
async fn what_lasts_is_told_once_and_its_end_too() {
    let mut house = House::new();
    house.vitals.history_fails.store(true, Ordering::SeqCst);
    house.pass(4).await;
    assert_eq!(house.told(), [], "it may mend itself");
    house.pass(120).await;
    assert_eq!(house.told(), [(Trouble::History, false)]);
    house.vitals.history_fails.store(false, Ordering::SeqCst);
    house.pass(1).await;
    assert_eq!(house.told(), [(Trouble::History, true)]);
    house.pass(60).await;
    assert_eq!(house.told(), []);
}

#[tokio::test]
async fn what_comes_and_goes_is_told_once_an_hour() {
    let mut house = House::new();
    for _ in 0..5 {
        house.vitals.casebook_fails.store(true, Ordering::SeqCst);
        house.pass(7).await;
        house.vitals.casebook_fails.store(false, Ordering::SeqCst);
        house.pass(1).await;
    }
    assert_eq!(
        house.told(),
        [(Trouble::Casebook, false), (Trouble::Casebook, true)]
    );
}

#[tokio::test]
async fn silence_is_told_and_a_pause_is_not() {
    let mut house = House::new();
    house.pass(1).await;
    for _ in 0..12 * 60 * 5 {
        house.pass_silently().await;
    }
    assert_eq!(house.told(), [], "five hours are a night");
    for _ in 0..12 * 60 * 2 {
        house.pass_silently().await;
    }
    assert_eq!(house.told(), [(Trouble::Silence, false)]);
    house.pass(1).await;
    assert_eq!(house.told(), [(Trouble::Silence, true)]);
}

#[tokio::test]
async fn a_crash_is_told_and_never_over() {
    let mut house = House::new();
    house.vitals.crashes.fetch_add(1, Ordering::SeqCst);
    house.pass(10).await;
    assert_eq!(house.told(), [(Trouble::Crash, false)]);
}

#[tokio::test]
async fn a_channel_that_is_down_is_tried_again() {
    let mut house = House::new();
    *house.channel.failures_left.lock().unwrap() = 3;
    house.vitals.snapshots_fail.store(true, Ordering::SeqCst);
    house.pass(14).await;
    assert_eq!(house.told(), []);
    house.pass(5).await;
    assert_eq!(house.told(), [(Trouble::Snapshots, false)]);
}

#[tokio::test]
async fn each_refused_configuration_is_told_and_hides_nothing() {
    let mut house = House::new();
    house.vitals.refuse_configuration("line 7".to_owned());
    house.pass(70).await;
    assert_eq!(house.told(), [(Trouble::Configuration, false)]);
    house.vitals.refuse_configuration("line 8".to_owned());
    house.pass(1).await;
    assert_eq!(
        house.told(),
        [(Trouble::Configuration, false)],
        "another one"
    );
    for _ in 0..12 * 60 * 7 {
        house.pass_silently().await;
    }
    assert_eq!(house.told(), [(Trouble::Silence, false)]);
}

//! What partitions show together does not depend on which of them is read faster.

use std::collections::VecDeque;

use casebook::AlertFilter;
use model::{Alert, Detector, Records};

use crate::snapshots::batches;
use crate::support::{Setup, whole_story};

/// Reads batches of a log that fills while it is read.
async fn alerts_of(batches: VecDeque<Records>) -> Vec<Alert> {
    let mut setup = Setup::new().await;
    setup.is_live = true;
    setup.run(batches).await;
    setup.casebook.alerts(AlertFilter::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_read_more_slowly_is_waited_for() {
    let together = batches(&whole_story(), 2000);
    // The first partition comes weeks after the others.
    let (late, early): (Vec<Records>, Vec<Records>) = together
        .iter()
        .cloned()
        .partition(|records| records.partition().number == 0);
    let apart: VecDeque<Records> = early.into_iter().chain(late).collect();

    let (one, other) = (alerts_of(together).await, alerts_of(apart).await);
    let of_campaigns = one.iter().filter(|alert| alert.detector == Detector::Campaign);
    assert!(of_campaigns.count() > 0, "the partitions show something together");
    assert_eq!(one, other);
}

//! A source whose batches have their schemas at hand.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::{EventSource, OffsetRange, Partition, Records, SourceError};
use tokio::task::JoinHandle;

use super::SchemaRegistry;

/// Holds each batch back until its schemas are at hand or it has waited long enough.
pub struct WithSchemas<S> {
    inner: S,
    registry: SchemaRegistry,
    /// The batch that waits, and what it waits for. The fetching is a task of its own, so that
    /// dropping the future of `next` neither loses the batch nor begins the waiting anew.
    waiting: Option<(Records, JoinHandle<()>)>,
}

impl<S> WithSchemas<S> {
    /// Puts the registry in front of a source.
    pub fn new(inner: S, registry: SchemaRegistry) -> Self {
        Self {
            inner,
            registry,
            waiting: None,
        }
    }
}

impl<S> Drop for WithSchemas<S> {
    fn drop(&mut self) {
        if let Some((_, fetching)) = &self.waiting {
            fetching.abort();
        }
    }
}

#[async_trait]
impl<S: EventSource> EventSource for WithSchemas<S> {
    async fn next(&mut self) -> Result<Option<Records>, SourceError> {
        if self.waiting.is_none() {
            let Some(records) = self.inner.next().await? else {
                return Ok(None);
            };
            let wanted = self.registry.wanted(&records);
            if wanted.is_empty() {
                return Ok(Some(records));
            }
            let fetching = tokio::spawn(self.registry.clone().fetch(wanted));
            self.waiting = Some((records, fetching));
        }
        if let Some((_, fetching)) = &mut self.waiting {
            // If it failed, the batch goes on without: its records say what is missing.
            let _ = fetching.await;
        }
        Ok(self.waiting.take().map(|(records, _)| records))
    }

    async fn commit(&mut self, ranges: &[OffsetRange]) -> Result<(), SourceError> {
        self.inner.commit(ranges).await
    }

    fn caught_up(&self) -> bool {
        self.waiting.is_none() && self.inner.caught_up()
    }

    fn partitions(&self) -> BTreeMap<Partition, bool> {
        let mut partitions = self.inner.partitions();
        let waiting = self.waiting.as_ref();
        partitions.extend(waiting.map(|(records, _)| (records.partition().clone(), true)));
        partitions
    }
}

//! The threads that records are worked on by: each partition belongs to one of them.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread::JoinHandle;

use model::{OffsetRange, Partition, Records, Timestamp};
use tokio::sync::oneshot;

use crate::joint::Joint;
use crate::stage::{Shown, Stage, Staged};
use crate::{Error, Stages};

/// Batches that one thread may have before it, beside the one it is working on.
const AHEAD: usize = 2;

/// What a thread is asked to do.
enum Job {
    /// Take over the state of a partition.
    Own(Partition, Box<Stage>),
    /// Carry records of a partition through, and answer.
    Process(Records, oneshot::Sender<Result<Done, Error>>),
    /// Copy all partitions, to be written down.
    Copy(oneshot::Sender<Owned>),
}

/// The state of the partitions that a thread owns.
type Owned = BTreeMap<Partition, Box<Stage>>;

/// A batch that was worked on.
pub(crate) struct Done {
    /// Records read, and bytes of their payloads.
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// The broker's time of the newest of them.
    pub(crate) newest: Option<Timestamp>,
    pub(crate) staged: Staged,
    shown: Shown,
}

impl Done {
    /// Returns the partition it is of.
    pub(crate) fn partition(&self) -> &Partition {
        &self.staged.usage_batch.range().partition
    }

    /// Takes it apart, where what it shows is joined elsewhere.
    pub(crate) fn apart(self) -> (Staged, Option<Shown>) {
        (self.staged, Some(self.shown))
    }

    /// Returns the event time up to which its partition has seen everything.
    pub(crate) fn watermark(&self) -> Option<Timestamp> {
        self.shown.standpoint.vitals.watermark
    }
}

struct Worker {
    jobs: mpsc::Sender<Job>,
    thread: JoinHandle<Owned>,
    partitions: usize,
}

/// Stages whose partitions are worked on side by side.
///
/// A partition's batches are worked on in their order by its thread, and come back in the order
/// in which all batches were given: what the partitions show together does not depend on which
/// thread was faster. No lock is taken on the way.
pub(crate) struct Workers {
    /// What is not with a thread: the joint part, and how a stage is made.
    stages: Stages,
    workers: Vec<Worker>,
    owners: BTreeMap<Partition, usize>,
    in_work: VecDeque<oneshot::Receiver<Result<Done, Error>>>,
}

impl Workers {
    /// Starts so many threads and deals the partitions out.
    pub(crate) fn start(mut stages: Stages, threads: NonZeroUsize) -> Result<Self, Error> {
        let workers: Result<Vec<Worker>, Error> = (0..threads.get()).map(Worker::start).collect();
        let partitions = std::mem::take(&mut stages.partitions);
        let mut workers = Self {
            stages,
            workers: workers?,
            owners: BTreeMap::new(),
            in_work: VecDeque::new(),
        };
        for (partition, stage) in partitions {
            workers.own(&partition, stage)?;
        }
        Ok(workers)
    }

    /// Ends the threads and takes all partitions back, for something that is about all of them.
    /// Nothing may be in work.
    pub(crate) fn stop(self) -> Result<Stages, Error> {
        debug_assert!(self.is_idle(), "what is in work would be missed");
        let Self {
            mut stages,
            workers,
            ..
        } = self;
        for Worker { jobs, thread, .. } in workers {
            // Without a sender the thread's loop ends.
            drop(jobs);
            let owned = thread.join().map_err(|_| Error::StageEnded)?;
            stages.partitions.extend(owned);
        }
        Ok(stages)
    }

    /// Returns a copy of all that the stages know, to be written down while they go on; each
    /// thread copies its own. Nothing may be in work, so that it is of one moment.
    pub(crate) async fn copy(&self) -> Result<Stages, Error> {
        debug_assert!(self.is_idle(), "what is in work would be missed");
        let mut copying = Vec::new();
        for worker in &self.workers {
            let (answer, answered) = oneshot::channel();
            worker.ask(Job::Copy(answer))?;
            copying.push(answered);
        }
        let mut stages = self.stages.clone();
        for answered in copying {
            let owned = answered.await.map_err(|_| Error::StageEnded)?;
            stages.partitions.extend(owned);
        }
        Ok(stages)
    }

    /// Makes the stage of a partition of which nothing is known.
    pub(crate) fn new_stage(&self) -> Box<Stage> {
        self.stages.new_stage()
    }

    /// Gives a partition to the thread with the fewest.
    pub(crate) fn own(&mut self, partition: &Partition, stage: Box<Stage>) -> Result<usize, Error> {
        let workers = self.workers.iter().enumerate();
        let fewest = workers.min_by_key(|(_, worker)| worker.partitions);
        let at = fewest.map_or(0, |(at, _)| at);
        self.workers[at].ask(Job::Own(partition.clone(), stage))?;
        self.workers[at].partitions += 1;
        self.owners.insert(partition.clone(), at);
        Ok(at)
    }

    /// Returns whether more records may be given: no thread has more than a few batches before it.
    pub(crate) fn has_room(&self) -> bool {
        self.in_work.len() < self.workers.len() * (1 + AHEAD)
    }

    /// Returns how many batches are with a thread.
    pub(crate) fn in_work(&self) -> usize {
        self.in_work.len()
    }

    /// Returns whether all that was given has come back.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_work.is_empty()
    }

    /// Gives records to the thread of their partition; those that a stage may have crashed at go
    /// one by one.
    pub(crate) fn give(&mut self, records: Records) -> Result<(), Error> {
        let parts = self.stages.poison().part(records);
        parts.into_iter().try_for_each(|part| self.give_part(part))
    }

    fn give_part(&mut self, records: Records) -> Result<(), Error> {
        let partition = records.partition();
        let at = match self.owners.get(partition) {
            Some(&at) => at,
            None => {
                let stage = self.new_stage();
                self.own(partition, stage)?
            }
        };
        let (answer, answered) = oneshot::channel();
        self.workers[at].ask(Job::Process(records, answer))?;
        self.in_work.push_back(answered);
        Ok(())
    }

    /// Waits for the batch that was given first of those that are in work; for ever if none is.
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Done, Error> {
        let Some(first) = self.in_work.front_mut() else {
            return std::future::pending().await;
        };
        let done = first.await.map_err(|_| Error::StageEnded)?;
        self.in_work.pop_front();
        done
    }

    /// Joins what a batch has shown with what other partitions have; its alerts get more.
    pub(crate) fn join(&mut self, done: Done) -> Staged {
        let Done {
            mut staged, shown, ..
        } = done;
        let partition = &staged.usage_batch.range().partition;
        let joined = self.stages.joint.take(partition, &staged.alerts, shown);
        staged.alerts.extend(joined);
        staged
    }

    /// Returns the place that sees all partitions.
    pub(crate) fn joint(&mut self) -> &mut Joint {
        &mut self.stages.joint
    }

    /// Returns keys with a baseline, bytes of state, and the lowest watermark.
    pub(crate) fn vitals(&self) -> (usize, usize, Option<Timestamp>) {
        self.stages.vitals()
    }
}

impl Worker {
    fn start(number: usize) -> Result<Self, Error> {
        let (jobs, asked) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(format!("stage-{number}"))
            .spawn(move || work(&asked))
            .map_err(Error::Thread)?;
        Ok(Self {
            jobs,
            thread,
            partitions: 0,
        })
    }

    /// The queue has no bound of its own: [`Workers::has_room`] is asked before.
    fn ask(&self, job: Job) -> Result<(), Error> {
        self.jobs.send(job).map_err(|_| Error::StageEnded)
    }
}

fn work(jobs: &mpsc::Receiver<Job>) -> Owned {
    let mut stages = Owned::new();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Own(partition, stage) => {
                stages.insert(partition, stage);
            }
            Job::Copy(answer) => {
                let owned = stages.iter_mut();
                let copies = owned.map(|(partition, stage)| (partition.clone(), stage.copy()));
                // Who asked may have stopped; then there is nothing to write down either.
                let _ = answer.send(copies.collect());
            }
            Job::Process(records, answer) => {
                // A partition is owned before its records come, but for one that has crashed: who
                // asked hears of that first.
                let Some(stage) = stages.get_mut(records.partition()) else {
                    continue;
                };
                let processed = panic::catch_unwind(AssertUnwindSafe(|| stage.process(&records)));
                let done = match processed {
                    Ok((staged, shown)) => Ok(Done {
                        records: records.len() as u64,
                        bytes: records.payload_bytes() as u64,
                        newest: records.iter().filter_map(|record| record.time).max(),
                        staged,
                        shown,
                    }),
                    Err(_) => {
                        // What it knows may be half of something; this answer ends the run.
                        stages.remove(records.partition());
                        Err(Error::Crashed(range_of(&records)))
                    }
                };
                // Who asked may have stopped; then nothing of it is committed.
                let _ = answer.send(done);
            }
        }
    }
    stages
}

fn range_of(records: &Records) -> OffsetRange {
    let first = records.iter().next().map(|record| record.offset);
    OffsetRange {
        partition: records.partition().clone(),
        start: first.unwrap_or(records.next_offset()),
        end: records.next_offset(),
    }
}

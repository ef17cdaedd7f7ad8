//! Two threads, because the events of one seed and two detectors fit into an ordinary memory.

use std::sync::{Mutex, PoisonError};

/// How many jobs run at once.
const THREADS: usize = 2;

/// Runs each job, at most two at once, and returns what they return in the order of the jobs.
///
/// # Panics
/// When a job panics.
pub(crate) fn two_at_once<J: Send, R: Send>(jobs: Vec<J>, run: impl Fn(J) -> R + Sync) -> Vec<R> {
    // A queue and not a fixed share each: jobs differ in length. The lock is held to take one.
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.next()
    };
    let work = || -> Vec<(usize, R)> {
        std::iter::from_fn(next)
            .map(|(place, job)| (place, run(job)))
            .collect()
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().flat_map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..100).collect();
        let doubled = two_at_once(jobs.clone(), |job| job * 2);
        assert_eq!(doubled, jobs.iter().map(|job| job * 2).collect::<Vec<_>>());
        assert!(two_at_once(Vec::<u64>::new(), |job| job).is_empty());
    }
}

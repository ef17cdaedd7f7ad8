//! How far long work is, on stderr.

/// Steps that are told of one piece of work.
const STEPS: usize = 5;

/// One piece of work of known size.
#[derive(Debug)]
pub(crate) struct Progress {
    label: Option<String>,
    total: usize,
    done: usize,
}

impl Progress {
    /// Starts work of `total` items.
    pub(crate) fn new(label: String, total: usize) -> Self {
        Self {
            label: Some(label),
            total,
            done: 0,
        }
    }

    /// Starts work that is not told of.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self {
            label: None,
            total: 0,
            done: 0,
        }
    }

    /// Counts items as done, and tells when another fifth is.
    pub(crate) fn advance(&mut self, items: usize) {
        let step = |done: usize| done * STEPS / self.total.max(1);
        let before = step(self.done);
        let after = step(self.done + items);
        self.done += items;
        if let Some(label) = self.label.as_ref().filter(|_| after > before) {
            eprintln!("{label}: {} %", after * 100 / STEPS);
        }
    }
}

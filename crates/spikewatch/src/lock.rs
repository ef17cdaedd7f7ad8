//! One process a data folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context, bail};

/// Holds a data folder until dropped.
pub(crate) struct DataDirLock {
    _file: File,
}

impl DataDirLock {
    /// Makes the folder if need be and takes it.
    pub(crate) fn take(data_dir: &Path) -> anyhow::Result<Self> {
        make_data_dir(data_dir)?;
        let path = data_dir.join("lock");
        let file = File::create(&path).with_context(|| format!("open \"{}\"", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another spikewatch is running on data folder \"{}\"",
                    data_dir.display()
                )
            }
            Err(TryLockError::Error(err)) => {
                Err(err).with_context(|| format!("lock \"{}\"", path.display()))
            }
        }
    }
}

/// Makes a data folder that only its owner can look into, if there is none.
pub(crate) fn make_data_dir(data_dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("make data folder \"{}\"", data_dir.display()))
}

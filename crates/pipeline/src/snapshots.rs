//! The folder of snapshots: what the stages know, at offsets that history has.
//!
//! ```text
//! <folder>/0000000042/            one snapshot; the number grows
//!     usage-0.state, …            what one partition knows
//!     shared.state                what the partitions know together
//!     manifest.json               format, offset of each partition
//! ```
//!
//! A snapshot is written beside the others under another name, made durable, and then renamed:
//! it is there whole or not at all. The last [`KEPT`] are kept. A partition of which nothing was
//! read or erased since the one before is linked and not written again, if that one was restored
//! or written by this process and is known to be good.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use columns::SnapshotError;
use detector::{Archive, STATE_VERSION};
use model::Partition;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::Stages;
use crate::instances::StateFile;

/// How many snapshots are kept.
pub(crate) const KEPT: usize = 3;

const MANIFEST: &str = "manifest.json";
const SHARED: &str = "shared.state";
/// What the name of a snapshot that is being written ends with.
const UNFINISHED: &str = ".tmp";
const BUFFER_BYTES: usize = 1 << 20;

/// A folder that snapshots are kept in, by one process at a time.
#[derive(Clone, Debug)]
pub struct SnapshotFolder {
    root: PathBuf,
    /// Names the cluster whose offsets are kept.
    cluster: String,
    /// The newest snapshot that was restored or written by this process, or 0: its files are good.
    trusted: Arc<AtomicU64>,
}

/// What a snapshot is of.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Manifest {
    state_version: u32,
    program: String,
    cluster: String,
    partitions: Vec<Kept>,
}

/// One partition of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    topic: String,
    number: i32,
    /// The next offset to read.
    offset: i64,
    file: String,
}

impl Kept {
    fn partition(&self) -> Partition {
        Partition::new(self.topic.as_str(), self.number)
    }
}

/// A snapshot that may be restored.
#[derive(Clone, Debug)]
pub struct Snapshot {
    folder: PathBuf,
    number: u64,
    manifest: Manifest,
}

impl Snapshot {
    /// Returns its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the next offset of each partition.
    pub fn offsets(&self) -> BTreeMap<Partition, i64> {
        let kept = self.manifest.partitions.iter();
        kept.map(|kept| (kept.partition(), kept.offset)).collect()
    }

    /// Fills stages that know nothing yet.
    ///
    /// # Errors
    /// When it is damaged, or the disk fails; then the stages are of no use.
    pub fn restore(&self, stages: &mut Stages) -> Result<(), SnapshotError> {
        for kept in &self.manifest.partitions {
            let partition = kept.partition();
            read_file(&self.folder.join(&kept.file), |archive| {
                stages.archive_partition(&partition, archive)
            })?;
        }
        read_file(&self.folder.join(SHARED), |archive| {
            stages.archive_shared(archive)
        })
    }
}

/// What was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The number of the snapshot.
    pub number: u64,
    /// Bytes of all its files.
    pub bytes: u64,
}

/// A snapshot that is whole on the disk, and that nobody looks at yet.
#[derive(Debug)]
pub(crate) struct Written {
    number: u64,
    unfinished: PathBuf,
    bytes: u64,
}

impl SnapshotFolder {
    /// Names a folder, which need not be there yet.
    pub fn new(root: PathBuf, cluster: &str) -> Self {
        Self {
            root,
            cluster: cluster.to_owned(),
            trusted: Arc::default(),
        }
    }

    /// Writes what the stages know at these offsets, and drops what is older than the last few.
    ///
    /// # Errors
    /// When the disk does not take it; what was there before is untouched.
    pub fn save(
        &self,
        stages: &mut Stages,
        offsets: &BTreeMap<Partition, i64>,
    ) -> Result<Saved, SnapshotError> {
        let erased = stages.forgotten();
        let saved = self.finish(self.write(stages, offsets, &erased)?)?;
        stages.was_written();
        Ok(saved)
    }

    /// Writes what the stages know at these offsets, under a name that nobody looks at. The files
    /// of partitions of which something was `erased` are written, even if nothing came since.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn write(
        &self,
        stages: &mut Stages,
        offsets: &BTreeMap<Partition, i64>,
        erased: &BTreeSet<Partition>,
    ) -> Result<Written, SnapshotError> {
        fs::create_dir_all(&self.root)?;
        self.clear_unfinished();
        let trusted = self.trusted.load(Ordering::Relaxed);
        let before = self.open(trusted).ok();
        let number = self.numbers()?.first().map_or(1, |newest| newest + 1);
        // A run that ended in the middle may still be writing another.
        static BEGUN: AtomicU64 = AtomicU64::new(0);
        let begun = BEGUN.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!("{number:010}-{begun}{UNFINISHED}");
        let unfinished = self.root.join(unfinished);
        let written = self.write_files(&unfinished, stages, offsets, before.as_ref(), erased);
        if written.is_err() {
            // On a full disk this gives back what it took.
            let _ = fs::remove_dir_all(&unfinished);
        }
        Ok(Written {
            number,
            unfinished,
            bytes: written?,
        })
    }

    /// Makes what was written the newest snapshot: history must have all of it by now.
    ///
    /// # Errors
    /// When the disk does not take it; what was there before is untouched.
    pub(crate) fn finish(&self, written: Written) -> Result<Saved, SnapshotError> {
        let Written {
            number,
            unfinished,
            bytes,
        } = written;
        let renamed = fs::rename(&unfinished, self.root.join(format!("{number:010}")))
            .and_then(|()| sync(&self.root));
        if renamed.is_err() {
            let _ = fs::remove_dir_all(&unfinished);
        }
        renamed?;
        self.trust(number);
        for old in self.numbers().unwrap_or_default().into_iter().skip(KEPT) {
            self.remove(old);
        }
        Ok(Saved { number, bytes })
    }

    /// Removes what was written and is not to become a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::Io`], always: nothing was saved.
    pub(crate) fn give_up(&self, written: &Written) -> Result<Saved, SnapshotError> {
        let _ = fs::remove_dir_all(&written.unfinished);
        Err(std::io::Error::other("history does not have all of it").into())
    }

    /// Removes the snapshots before one.
    pub(crate) fn forget_before(&self, number: u64) {
        let numbers = self.numbers().unwrap_or_default().into_iter();
        numbers
            .filter(|&old| old < number)
            .for_each(|old| self.remove(old));
    }

    /// Returns where it is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the files of a snapshot, each with the offset that it is at.
    ///
    /// # Errors
    /// When the snapshot cannot be opened.
    pub(crate) fn state_files(
        &self,
        number: u64,
        shared_at: Option<i64>,
    ) -> Result<Vec<StateFile>, SnapshotError> {
        let snapshot = self.open(number)?;
        let kept = snapshot.manifest.partitions.iter();
        let partitions = kept.map(|kept| StateFile {
            partition: Some(kept.partition()),
            offset: kept.offset,
            path: snapshot.folder.join(&kept.file),
        });
        let shared = shared_at.map(|offset| StateFile {
            partition: None,
            offset,
            path: snapshot.folder.join(SHARED),
        });
        Ok(partitions.chain(shared).collect())
    }

    /// Takes a snapshot for whole: the next one may link to its files.
    pub(crate) fn trust(&self, number: u64) {
        self.trusted.store(number, Ordering::Relaxed);
    }

    /// Removes what was begun and not finished, by a process that was killed.
    pub(crate) fn clear_unfinished(&self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let is_unfinished = entry.file_name().to_string_lossy().ends_with(UNFINISHED);
            if is_unfinished && let Err(error) = fs::remove_dir_all(entry.path()) {
                warn!(%error, path = %entry.path().display(), "could not remove what was not finished");
            }
        }
    }

    fn write_files(
        &self,
        folder: &Path,
        stages: &mut Stages,
        offsets: &BTreeMap<Partition, i64>,
        before: Option<&Snapshot>,
        erased: &BTreeSet<Partition>,
    ) -> Result<u64, SnapshotError> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir(folder)?;
        let mut partitions = Vec::new();
        let mut bytes = 0;
        for (partition, &offset) in offsets {
            let kept = Kept {
                topic: partition.topic.to_string(),
                number: partition.number,
                offset,
                file: format!("{}-{}.state", partition.topic, partition.number),
            };
            let path = folder.join(&kept.file);
            // What was erased is not to come back by a file that names it.
            let before = before.filter(|_| !erased.contains(partition));
            let is_linked = before.is_some_and(|before| before.link(&kept, &path));
            if !is_linked {
                write_file(&path, |archive| {
                    stages.archive_partition(partition, archive)
                })?;
            }
            bytes += fs::metadata(&path)?.len();
            partitions.push(kept);
        }
        let shared = folder.join(SHARED);
        write_file(&shared, |archive| stages.archive_shared(archive))?;
        bytes += fs::metadata(&shared)?.len();
        let manifest = Manifest {
            state_version: STATE_VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: self.cluster.clone(),
            partitions,
        };
        let json = serde_json::to_vec_pretty(&manifest).map_err(std::io::Error::other)?;
        let mut file = File::create(folder.join(MANIFEST))?;
        file.write_all(&json)?;
        file.sync_all()?;
        sync(folder)?;
        Ok(bytes + json.len() as u64)
    }

    /// Returns the snapshots that are there and can be opened, the newest first; what cannot is
    /// logged, with the reason.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let numbers = match self.numbers() {
            Ok(numbers) => numbers,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                warn!(%error, folder = %self.root.display(), "could not look for snapshots");
                return Vec::new();
            }
        };
        let opened = numbers
            .into_iter()
            .filter_map(|number| match self.open(number) {
                Ok(snapshot) => Some(snapshot),
                Err(error) => {
                    warn!(number, %error, "a snapshot cannot be used");
                    None
                }
            });
        opened.collect()
    }

    fn open(&self, number: u64) -> Result<Snapshot, SnapshotError> {
        let folder = self.root.join(format!("{number:010}"));
        let json = fs::read(folder.join(MANIFEST))?;
        let manifest: Manifest = serde_json::from_slice(&json)
            .map_err(|err| SnapshotError::Damaged(format!("{MANIFEST}: {err}")))?;
        if manifest.state_version != STATE_VERSION {
            return Err(SnapshotError::Version(format!(
                "{} of {}, where this program has {STATE_VERSION}",
                manifest.state_version, manifest.program
            )));
        }
        if manifest.cluster != self.cluster {
            return Err(SnapshotError::Version(format!(
                "its offsets are those of cluster \"{}\"",
                manifest.cluster
            )));
        }
        Ok(Snapshot {
            folder,
            number,
            manifest,
        })
    }

    /// Returns the numbers of what is there, the newest first.
    fn numbers(&self) -> std::io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name();
            numbers.extend(name.to_string_lossy().parse::<u64>());
        }
        numbers.sort_unstable_by_key(|&number: &u64| std::cmp::Reverse(number));
        Ok(numbers)
    }

    fn remove(&self, number: u64) {
        let folder = self.root.join(format!("{number:010}"));
        match fs::remove_dir_all(&folder) {
            Ok(()) => info!(number, "an old snapshot was removed"),
            Err(error) => warn!(number, %error, "could not remove an old snapshot"),
        }
    }
}

impl Snapshot {
    /// Links the file of a partition that has not moved; returns whether it did.
    fn link(&self, kept: &Kept, to: &Path) -> bool {
        let mut known = self.manifest.partitions.iter();
        let known = known.find(|known| known.partition() == kept.partition());
        known.is_some_and(|known| {
            known.offset == kept.offset && fs::hard_link(self.folder.join(&known.file), to).is_ok()
        })
    }
}

pub(crate) fn write_file(
    path: &Path,
    carry: impl FnOnce(&mut Archive<'_>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
    let mut archive = Archive::into(&mut file)?;
    carry(&mut archive)?;
    archive.finish()?;
    let file = file
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(())
}

pub(crate) fn read_file(
    path: &Path,
    carry: impl FnOnce(&mut Archive<'_>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let mut archive = Archive::out_of(&mut file)?;
    carry(&mut archive)?;
    archive.finish()
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

//! Snapshots of instances, in a folder that all of them see or in object storage.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use columns::{Error, SnapshotStore};
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::stores;

/// A folder of a file system or of a bucket.
#[derive(Clone, Debug)]
pub struct Snapshots {
    store: Arc<dyn ObjectStore>,
    root: object_store::path::Path,
}

impl Snapshots {
    /// Understands where it is: a folder, or the URL of one as the history has it. Nothing is
    /// reached yet, but a folder of this machine is made.
    ///
    /// # Errors
    /// When it is no such place.
    pub fn open(location: &str) -> Result<Self, Error> {
        let not_a_place = |why: String| Error::Storage {
            message: format!("could not use \"{location}\" for snapshots: {why}"),
            transient: false,
        };
        let url = match Url::parse(location) {
            Ok(url) => url,
            Err(_) => {
                std::fs::create_dir_all(location).map_err(|err| not_a_place(err.to_string()))?;
                let folder = std::path::absolute(location);
                let folder = folder.map_err(|err| not_a_place(err.to_string()))?;
                Url::from_directory_path(folder)
                    .map_err(|()| not_a_place("it is no folder".to_owned()))?
            }
        };
        let (store, root) = stores::open(&url).map_err(|err| not_a_place(err.to_string()))?;
        Ok(Self { store, root })
    }

    fn path(&self, name: &str) -> object_store::path::Path {
        // Each part is escaped where a store does not take it as it is.
        let parts = self.root.parts().map(|part| part.as_ref().to_owned());
        let parts = parts.chain(name.split('/').map(str::to_owned));
        parts.collect()
    }
}

#[async_trait]
impl SnapshotStore for Snapshots {
    async fn put(&self, name: &str, file: &Path) -> Result<(), Error> {
        let failed = |what: String| failed(name, "write", what);
        let mut from = tokio::fs::File::open(file)
            .await
            .map_err(io(name, "write"))?;
        // Nothing is there until all of it is: in parts where it is large.
        let mut to = BufWriter::new(self.store.clone(), self.path(name));
        match tokio::io::copy(&mut from, &mut to).await {
            Ok(_) => to.shutdown().await.map_err(io(name, "write")),
            Err(error) => {
                // The first failure counts.
                let _ = to.abort().await;
                Err(failed(error.to_string()))
            }
        }
    }

    async fn get(&self, name: &str, file: &Path) -> Result<(), Error> {
        let found = self.store.get(&self.path(name)).await;
        let found = found.map_err(|err| failed(name, "read", err.to_string()))?;
        let mut bytes = found.into_stream();
        let mut to = tokio::fs::File::create(file)
            .await
            .map_err(io(name, "read"))?;
        let read = |err: object_store::Error| failed(name, "read", err.to_string());
        while let Some(chunk) = bytes.try_next().await.map_err(read)? {
            to.write_all(&chunk).await.map_err(io(name, "read"))?;
        }
        to.flush().await.map_err(io(name, "read"))
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, Error> {
        let path = self.path(folder);
        let listed = self
            .store
            .list_with_delimiter(Some(&path))
            .await
            .map_err(|err| failed(folder, "look into", err.to_string()))?;
        let names = listed
            .objects
            .iter()
            .filter_map(|object| object.location.filename());
        Ok(names.map(str::to_owned).collect())
    }

    async fn remove(&self, name: &str) -> Result<(), Error> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(err) => Err(failed(name, "remove", err.to_string())),
        }
    }
}

fn failed(name: &str, doing: &str, why: String) -> Error {
    Error::Storage {
        message: format!("could not {doing} \"{name}\": {why}"),
        transient: true,
    }
}

fn io(name: &str, doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |err| failed(name, doing, err.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_stored_listed_fetched_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("of all");
        let snapshots = Snapshots::open(place.to_str().unwrap()).unwrap();
        let name = "state-4/my kafka/usage/0/00000000000000000042.state";
        let parent = "state-4/my kafka/usage/0";
        assert!(snapshots.list(parent).await.unwrap().is_empty());
        let file = folder.path().join("file");
        // More than one part of an upload.
        let bytes: Vec<u8> = (0..25_000_000u32).map(|i| i.to_le_bytes()[1]).collect();
        for content in [&bytes[..1000], &bytes] {
            std::fs::write(&file, content).unwrap();
            snapshots.put(name, &file).await.unwrap();
            let back = folder.path().join("back");
            snapshots.get(name, &back).await.unwrap();
            assert!(std::fs::read(&back).unwrap() == content);
        }
        let listed = snapshots.list(parent).await.unwrap();
        assert_eq!(listed, ["00000000000000000042.state"]);
        snapshots.remove(name).await.unwrap();
        snapshots.remove(name).await.unwrap();
        assert!(snapshots.list(parent).await.unwrap().is_empty());
        let gone = snapshots.get(name, &file).await.unwrap_err();
        assert!(gone.to_string().contains(name), "{gone}");
        let nowhere = Snapshots::open("gopher://example/x").unwrap_err();
        assert!(nowhere.to_string().contains("gopher"), "{nowhere}");
    }
}

//! Trying a destination out before anything depends on it.

use super::{Bucket, S3Error, store::Made};

const DIRECTORY: &str = "_test";

impl Bucket {
    /// Writes, lists, reads and deletes a small file, and checks that two writers can't overwrite
    /// each other. The `id` is a fresh one, so that two tests at a time don't meet.
    pub async fn test(&self, id: &str) -> Result<(), S3Error> {
        let path = format!("{DIRECTORY}/{id}");
        let tried = self.try_out(&path).await;
        let deleted = self.delete(std::slice::from_ref(&path)).await;
        tried.and(deleted)
    }

    async fn try_out(&self, path: &str) -> Result<(), S3Error> {
        let content = b"Syncline tests this destination.";
        self.create(path, content.to_vec()).await?;
        if self.create(path, b"overwritten".to_vec()).await? == Made::Created {
            return Err(S3Error::NoConditionalWrites);
        }
        let found = self.list(DIRECTORY).await?;
        let read = self.get(path).await?;
        if found.iter().any(|it| it == path) && read.is_some_and(|it| it == content[..]) {
            Ok(())
        } else {
            let problem = "what was just written is not there".to_owned();
            Err(S3Error::Other(problem))
        }
    }
}

//! Taking everything of an object or of a connection away.

use syncline_model::{Object, Time};

use super::{Bucket, Manifest, S3Error, Source, layout};

impl Bucket {
    /// Hides an object's files from readers; [`clean`](Self::clean) deletes them.
    pub async fn remove_object(
        &self,
        current: &Manifest,
        object: Object,
        now: Time,
    ) -> Result<Manifest, S3Error> {
        if current.files_of(object).next().is_none() {
            return Ok(current.clone());
        }
        let mut next = current.next(now);
        next.supersede(object);
        self.commit(current, next).await
    }

    /// Deletes all of a connection, for when nothing writes to it any more.
    ///
    /// The files are hidden by an empty manifest first, which is deleted last. So readers never meet
    /// a list of files that are gone, and after a failure the same call goes on where it was.
    pub async fn remove(&self, source: &Source, now: Time) -> Result<(), S3Error> {
        let current = self.manifest(source).await?;
        if !current.files.is_empty() {
            let mut empty = current.next(now);
            empty.files.clear();
            empty.superseded.clear();
            empty.checkpoint = None;
            self.commit(&current, empty).await?;
        }
        for object in Object::ALL {
            let files = self.list(&layout::data_files(source, *object)).await?;
            self.delete(&files).await?;
        }
        let mut sequences = self.sequences(source).await?;
        let newest = sequences.pop();
        let path = |sequence| layout::manifest(source, sequence);
        let older: Vec<_> = sequences.into_iter().map(path).collect();
        self.delete(&older).await?;
        let newest: Vec<_> = newest.into_iter().map(path).collect();
        self.delete(&newest).await
    }
}

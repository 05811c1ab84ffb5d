//! The order of a connection's manifests: reading the newest and adding the next.

use super::{Bucket, Manifest, S3Error, Source, layout, store::Made};

impl Bucket {
    /// The newest manifest of a connection; without any it is one of sequence 0.
    pub async fn manifest(&self, source: &Source) -> Result<Manifest, S3Error> {
        let Some(newest) = self.sequences(source).await?.pop() else {
            return Ok(Manifest::none(source));
        };
        let path = layout::manifest(source, newest);
        // It was there a moment ago: others have gone on, or remove the connection's files.
        let json = self.get(&path).await?.ok_or(S3Error::Overtaken)?;
        Manifest::read(&path, &json, source)
    }

    /// Makes `next` the newest manifest, if `current` still is.
    pub(super) async fn commit(
        &self,
        current: &Manifest,
        next: Manifest,
    ) -> Result<Manifest, S3Error> {
        let source = &next.source;
        let path = layout::manifest(source, next.sequence);
        let json = next.to_json()?;
        if self.create(&path, json.clone()).await? == Made::Exists
            // If it is ours, the answer to an earlier attempt was lost.
            && self.get(&path).await?.is_none_or(|there| there != json)
        {
            return Err(S3Error::Overtaken);
        }
        let sequences = self.sequences(source).await?;
        if current.sequence > 0 && !sequences.contains(&current.sequence) {
            // Whoever slept while others went on, or removed everything, may find this number free.
            self.delete(&[path]).await?;
            return Err(S3Error::Overtaken);
        }
        if sequences.last() != Some(&next.sequence) {
            return Err(S3Error::Overtaken);
        }
        Ok(next)
    }

    /// Of the manifests that are there, in their order.
    pub(super) async fn sequences(&self, source: &Source) -> Result<Vec<u64>, S3Error> {
        let paths = self.list(&layout::manifests(source)).await?;
        let sequences = paths.iter().filter_map(|path| layout::sequence_of(path));
        Ok(sequences.collect())
    }
}

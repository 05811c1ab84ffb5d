//! Rewriting an object's files, so that they have one row for each id, the newest: compaction, and
//! erasure where rows are left out.
//!
//! Every file is read twice, and one at a time. The first pass reads ids and times and finds the
//! newest rows; the second copies those.

use std::sync::Arc;

use syncline_model::{ExportColumn, Object, Time};

use super::{
    Bucket, DataFile, Gone, Manifest, S3Error, computing,
    file::{Encoder, LIMITS},
    newest::Newest,
    read::chosen_rows,
};

impl Bucket {
    /// Replaces an object's files by ones with the newest row of each id, without those that
    /// are gone, and with these columns. Without files it changes nothing.
    ///
    /// The old files are there until [`clean`](Self::clean) deletes them.
    pub async fn rewrite(
        &self,
        current: &Manifest,
        object: Object,
        columns: &[ExportColumn],
        gone: Gone,
        now: Time,
    ) -> Result<Manifest, S3Error> {
        let encoder = Encoder::new(object, columns, LIMITS);
        self.rewrite_by(encoder, current, object, gone, now).await
    }

    pub(super) async fn rewrite_by(
        &self,
        mut encoder: Encoder,
        current: &Manifest,
        object: Object,
        gone: Gone,
        now: Time,
    ) -> Result<Manifest, S3Error> {
        let files: Vec<_> = current.files_of(object).cloned().collect();
        if files.is_empty() {
            return Ok(current.clone());
        }
        let newest = self.newest_rows(&files, gone).await?;
        let chosen = computing(move || Ok(newest.into_chosen())).await?;
        let mut next = current.next(now);
        next.supersede(object);
        for (file, chosen) in files.into_iter().zip(chosen) {
            if !chosen.has_true() {
                continue;
            }
            let content = self.read(&file).await?;
            encoder = computing(move || {
                let schema = encoder.schema().clone();
                for batch in chosen_rows(&file.path, content, chosen, &schema)? {
                    encoder.write(&batch?)?;
                }
                Ok(encoder)
            })
            .await?;
            self.upload(&mut next, object, encoder.take_full()).await?;
        }
        let last = computing(move || encoder.finish()).await?;
        self.upload(&mut next, object, last).await?;
        self.commit(current, next).await
    }

    async fn newest_rows(&self, files: &[DataFile], gone: Gone) -> Result<Newest, S3Error> {
        let gone = Arc::new(gone);
        let mut newest = Newest::default();
        for file in files {
            let content = self.read(file).await?;
            let (file, gone) = (file.clone(), gone.clone());
            newest = computing(move || {
                newest.add(&file, content, &gone)?;
                Ok(newest)
            })
            .await?;
        }
        Ok(newest)
    }
}

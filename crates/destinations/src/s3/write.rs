//! Writing a batch: its files first, then the manifest that shows them.

use syncline_model::{ExportRows, Object, Time};

use super::{
    Bucket, DataFile, Manifest, S3Error, computing,
    file::{Encoded, Encoder, LIMITS},
    layout,
};

impl Bucket {
    /// Adds a batch and moves the checkpoint. Readers see all of it or nothing.
    ///
    /// After an error it is unknown whether the batch is there: the newest manifest says so. Nothing
    /// is read from this machine's clock; `now` becomes the manifest's time.
    pub async fn write(
        &self,
        current: &Manifest,
        batch: Vec<ExportRows>,
        checkpoint: &str,
        now: Time,
    ) -> Result<Manifest, S3Error> {
        let mut next = current.next(now);
        next.checkpoint = Some(checkpoint.to_owned());
        for rows in batch {
            let object = rows.object;
            let files = computing(move || encode(&rows)).await?;
            self.upload(&mut next, object, files).await?;
        }
        self.commit(current, next).await
    }

    /// Writes files and names them in a manifest that nobody has seen yet.
    pub(super) async fn upload(
        &self,
        next: &mut Manifest,
        object: Object,
        files: Vec<Encoded>,
    ) -> Result<(), S3Error> {
        let of_this_manifest = |file: &&DataFile| {
            file.object == object && layout::sequence_of(&file.path) == Some(next.sequence)
        };
        let mut number = next.files.iter().filter(of_this_manifest).count();
        for file in files {
            number += 1;
            let path = layout::data_file(&next.source, object, next.sequence, number, &file.sha256);
            self.put(&path, file.content).await?;
            next.files.push(DataFile {
                object,
                path,
                rows: file.rows as u64,
                bytes: file.bytes as u64,
                sha256: file.sha256,
            });
        }
        Ok(())
    }
}

fn encode(rows: &ExportRows) -> Result<Vec<Encoded>, S3Error> {
    let mut encoder = Encoder::new(rows.object, &rows.columns, LIMITS);
    encoder.write_rows(&rows.rows)?;
    encoder.finish()
}

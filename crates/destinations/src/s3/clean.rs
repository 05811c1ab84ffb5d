//! Deleting files that no reader needs any more.

use std::collections::HashSet;

use syncline_model::{Object, Time};

use super::{Bucket, Manifest, S3Error, Superseded, layout, manifest::GRACE};

/// How many manifests are kept, for people who want to know what was.
const MANIFESTS_KEPT: u64 = 5;

impl Bucket {
    /// Deletes replaced files, what half-written batches left, and old manifests; says how many.
    ///
    /// Replaced files stay for ten minutes, for readers who have begun, unless it is to be `at_once`.
    /// Only files of `current` and before are looked at: what belongs to a later sequence may be
    /// somebody's batch in the making. A `current` that is no longer the newest does no harm.
    pub async fn clean(
        &self,
        current: &Manifest,
        now: Time,
        at_once: bool,
    ) -> Result<usize, S3Error> {
        let needed_by_readers = |file: &&Superseded| !at_once && file.since > now - GRACE;
        let superseded = current.superseded.iter().filter(needed_by_readers);
        let needed: HashSet<_> = superseded
            .map(|file| &file.path)
            .chain(current.files.iter().map(|file| &file.path))
            .collect();
        let mut useless = Vec::new();
        for object in Object::ALL {
            let directory = layout::data_files(&current.source, *object);
            for path in self.list(&directory).await? {
                let decided = layout::sequence_of(&path).is_some_and(|it| it <= current.sequence);
                if decided && !needed.contains(&path) {
                    useless.push(path);
                }
            }
        }
        for sequence in self.sequences(&current.source).await? {
            if sequence.saturating_add(MANIFESTS_KEPT) <= current.sequence {
                useless.push(layout::manifest(&current.source, sequence));
            }
        }
        self.delete(&useless).await?;
        Ok(useless.len())
    }
}

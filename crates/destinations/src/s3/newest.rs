//! Which rows of an object's files are the newest of their ids.

use std::collections::HashMap;

use arrow_array::BooleanArray;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{DataFile, Gone, S3Error, read::for_each_key};

/// An id in 16 bytes, however long it is: a million of them take 70 MB.
type IdHash = [u8; 16];

#[derive(Clone, Copy)]
struct Place {
    time: i64,
    file: u32,
    row: u32,
}

/// The newest row of each id so far.
#[derive(Default)]
pub(super) struct Newest {
    places: HashMap<IdHash, Place>,
    rows_of_files: Vec<usize>,
}

impl Newest {
    /// Looks through the next file. Of two rows with the same time the later one counts; rows that
    /// are gone never do.
    pub(super) fn add(
        &mut self,
        file: &DataFile,
        content: Bytes,
        gone: &Gone,
    ) -> Result<(), S3Error> {
        let number = u32::try_from(self.rows_of_files.len())
            .map_err(|_| S3Error::Other("there are too many files".to_owned()))?;
        let mut rows = 0;
        for_each_key(&file.path, content, |id, time| {
            let place = Place {
                time,
                file: number,
                row: rows,
            };
            rows += 1;
            if gone.has(id, time) {
                return;
            }
            let known = self.places.entry(hash(id)).or_insert(place);
            if known.time <= time {
                *known = place;
            }
        })?;
        self.rows_of_files.push(rows as usize);
        Ok(())
    }

    /// For each file, in the order in which they were added, which rows stay.
    pub(super) fn into_chosen(self) -> Vec<BooleanArray> {
        let mut chosen: Vec<_> = self
            .rows_of_files
            .iter()
            .map(|rows| vec![false; *rows])
            .collect();
        for place in self.places.into_values() {
            chosen[place.file as usize][place.row as usize] = true;
        }
        chosen.into_iter().map(BooleanArray::from).collect()
    }
}

fn hash(id: &str) -> IdHash {
    let whole = Sha256::digest(id);
    let mut hash = IdHash::default();
    hash.copy_from_slice(&whole[..16]);
    hash
}

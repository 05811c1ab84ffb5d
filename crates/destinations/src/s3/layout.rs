//! Where things are in a bucket. Paths are relative to the destination's prefix, so that a copy of
//! what is under it can be read as well.
//!
//! A file's name begins with the sequence of the manifest that first names it: what is of an older
//! sequence than the newest manifest and isn't named by it never will be.

use syncline_model::Object;

use super::manifest::Source;

/// Digits of a sequence, so that names sort by it.
const DIGITS: usize = 20;

pub(super) fn manifests(source: &Source) -> String {
    format!("_manifests/{}", source.connection_id)
}

pub(super) fn manifest(source: &Source, sequence: u64) -> String {
    format!("{}/{sequence:0DIGITS$}.json", manifests(source))
}

pub(super) fn data_files(source: &Source, object: Object) -> String {
    format!("{}/{}", object.plural(), source.connection_id)
}

/// The hash of its content keeps an attempt that nobody waits for any more from overwriting the file
/// of another.
pub(super) fn data_file(
    source: &Source,
    object: Object,
    sequence: u64,
    number: usize,
    sha256: &str,
) -> String {
    let directory = data_files(source, object);
    let hash = sha256.get(..16).unwrap_or(sha256);
    format!("{directory}/{sequence:0DIGITS$}-{number}-{hash}.parquet")
}

/// The sequence in the name of a data file or a manifest.
pub(super) fn sequence_of(path: &str) -> Option<u64> {
    let (_, name) = path.rsplit_once('/')?;
    let digits = name.get(..DIGITS)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| all_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_their_sequence_which_is_read_back() {
        let source = Source {
            application_id: "a".to_owned(),
            customer_id: "c".to_owned(),
            provider_name: "apollo".to_owned(),
            connection_id: "11".to_owned(),
        };
        let (nine, ten) = (manifest(&source, 9), manifest(&source, 10));
        assert!(nine < ten);
        assert_eq!(sequence_of(&ten), Some(10));
        let file = data_file(&source, Object::Contact, u64::MAX, 3, "0123456789abcdef00");
        assert_eq!(
            file,
            "contacts/11/18446744073709551615-3-0123456789abcdef.parquet"
        );
        assert_eq!(sequence_of(&file), Some(u64::MAX));
        for foreign in [
            "contacts/11/notes.txt",
            "contacts/11/+0000000000000000001",
            "x",
        ] {
            assert_eq!(sequence_of(foreign), None);
        }
    }
}

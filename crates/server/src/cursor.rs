//! Cursors and pages. A cursor is base64url of a small JSON object; callers treat it as opaque.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use syncline_store::{Batch, PageRequest, StoreError, Total};
use utoipa::ToSchema;

use crate::{
    error::{ApiError, ApiResult},
    texts::check_json,
};

/// The most rows of a page of the management API.
pub(crate) const MAX_PAGE_SIZE: i64 = 1000;

/// A position in a list: the id of a row and the direction from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Which list it belongs to.
    pub(crate) list: String,
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) reverse: bool,
}

pub(crate) fn encode(cursor: &impl Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(cursor).unwrap_or_default())
}

pub(crate) fn decode<T: DeserializeOwned>(cursor: &str) -> ApiResult<T> {
    BASE64_URL_SAFE_NO_PAD
        .decode(cursor.trim_end_matches('='))
        .ok()
        .filter(|json| check_json(json, usize::MAX).is_ok())
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(foreign)
}

/// A short hash of a search, so that no cursor is used with another search.
pub(crate) fn name_of(search: impl std::fmt::Debug) -> String {
    hex::encode(&Sha256::digest(format!("{search:?}"))[..8])
}

/// The error for a cursor that this list did not return.
pub(crate) fn foreign() -> ApiError {
    ApiError::validation(
        "cursor",
        "is not a cursor that this list has given; leave it out for the first page",
    )
}

/// A page size, checked against its limits.
pub(crate) fn page_size(asked: Option<&str>, default: i64, max: i64) -> ApiResult<i64> {
    let Some(text) = asked else {
        return Ok(default);
    };
    let size: i64 = text
        .parse()
        .map_err(|_| ApiError::validation("page_size", "Unable to parse page_size"))?;
    if size < 1 {
        return Err(ApiError::validation(
            "page_size",
            "Page size must be greater than 0",
        ));
    }
    if size > max {
        return Err(ApiError::validation(
            "page_size",
            format!("Page size cannot exceed {max}"),
        ));
    }
    Ok(size)
}

/// A page, cut from one row more than it shows.
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) has_next: bool,
    pub(crate) has_previous: bool,
    /// All of the list: its first page, and its last.
    is_whole: bool,
}

impl<T> Page<T> {
    /// The length of the list, which is counted unless the page shows all of it.
    pub(crate) async fn total(
        &self,
        count: impl Future<Output = Result<Total, StoreError>>,
    ) -> ApiResult<Total> {
        if self.is_whole {
            let count = i64::try_from(self.rows.len()).unwrap_or(i64::MAX);
            return Ok(Total::exactly(count));
        }
        Ok(count.await?)
    }

    /// `came_from_cursor`: this is not the first page. `reverse`: the rows are in reverse order.
    pub(crate) fn cut(mut rows: Vec<T>, size: i64, came_from_cursor: bool, reverse: bool) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        Self::of(Batch { rows, more }, came_from_cursor, reverse)
    }

    /// From rows that are cut already.
    pub(crate) fn of(batch: Batch<T>, came_from_cursor: bool, reverse: bool) -> Self {
        let Batch { mut rows, more } = batch;
        let is_whole = !came_from_cursor && !more;
        if reverse {
            rows.reverse();
            Self {
                has_next: !rows.is_empty(),
                has_previous: more,
                is_whole,
                rows,
            }
        } else {
            Self {
                has_next: more,
                has_previous: came_from_cursor && !rows.is_empty(),
                is_whole,
                rows,
            }
        }
    }
}

/// Where a list continues; `None` for its beginning.
pub(crate) fn position(cursor: Option<&str>, list: &str) -> ApiResult<Option<Position>> {
    let position: Option<Position> = cursor.map(decode).transpose()?;
    if position
        .as_ref()
        .is_some_and(|position| position.list != list)
    {
        return Err(foreign());
    }
    Ok(position)
}

/// One row more than the page shows, to know whether there are more.
pub(crate) fn page_request(position: Option<&Position>, size: i64) -> PageRequest {
    PageRequest {
        cursor: position.map(|position| position.id.clone()),
        reverse: position.is_some_and(|position| position.reverse),
        limit: size + 1,
    }
}

pub(crate) fn cut<T>(rows: Vec<T>, size: i64, position: Option<&Position>) -> Page<T> {
    let reverse = position.is_some_and(|position| position.reverse);
    Page::cut(rows, size, position.is_some(), reverse)
}

/// The cursors to the pages around this one.
pub(crate) fn links<T>(
    page: &Page<T>,
    list: &str,
    id: fn(&T) -> &str,
) -> (Option<String>, Option<String>) {
    let cursor = |row: Option<&T>, reverse| {
        row.map(|row| {
            encode(&Position {
                list: list.to_owned(),
                id: id(row).to_owned(),
                reverse,
            })
        })
    };
    (
        cursor(page.rows.last().filter(|_| page.has_next), false),
        cursor(page.rows.first().filter(|_| page.has_previous), true),
    )
}

/// A list of the management API.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResultList<T> {
    #[schema(required = true)]
    pub(crate) next: Option<String>,
    #[schema(required = true)]
    pub(crate) previous: Option<String>,
    pub(crate) results: Vec<T>,
    /// The number of rows, counted up to 10,000 among the newest 50,000.
    pub(crate) total_count: i64,
    /// `false`: there may be more than were counted.
    pub(crate) total_count_is_exact: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    proptest! {
        #[test]
        fn a_foreign_cursor_is_refused_and_never_more_than_that(
            text in prop_oneof![any::<String>(), "[A-Za-z0-9_=-]{0,80}"],
            fields in proptest::collection::vec(
                ("list|id|reverse", prop_oneof![
                    any::<String>().prop_map(Value::from),
                    any::<bool>().prop_map(Value::from),
                    any::<i64>().prop_map(Value::from),
                ]),
                0..4,
            ),
        ) {
            let _ = decode::<Position>(&text);
            let forged = encode(&Value::Object(fields.into_iter().collect::<Map<_, _>>()));
            if let Ok(position) = decode::<Position>(&forged) {
                prop_assert!(!position.id.contains('\0') && !position.list.contains('\0'));
            }
        }

        #[test]
        fn a_cursor_with_a_letter_changed_is_refused_or_is_another_position(
            id in "[a-z0-9-]{1,36}",
            at in any::<proptest::sample::Index>(),
            letter in "[A-Za-z0-9_-]",
        ) {
            let given = Position { list: "syncs".to_owned(), id, reverse: false };
            let cursor = encode(&given);
            prop_assert_eq!(&decode::<Position>(&cursor).unwrap().id, &given.id);
            let at = at.index(cursor.len());
            let changed = format!("{}{letter}{}", &cursor[..at], &cursor[at + 1..]);
            if let Ok(position) = decode::<Position>(&changed) {
                prop_assert!(!position.id.contains('\0'));
            }
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_and_garbage_is_refused() {
        let cursor = encode(&Position {
            list: "syncs".into(),
            id: "a".into(),
            reverse: true,
        });
        let back: Position = decode(&cursor).unwrap();
        assert!(back.reverse && back.id == "a");
        assert!(decode::<Position>("no cursor!").is_err());
        assert!(decode::<Position>("e30").is_err());
        let nul = Position {
            id: "\0".into(),
            ..back
        };
        assert!(decode::<Position>(&encode(&nul)).is_err());
    }

    #[test]
    fn one_row_more_than_the_page_means_that_there_is_a_next_one() {
        let page = Page::cut(vec![1, 2, 3], 2, false, false);
        assert_eq!(
            (page.rows, page.has_next, page.has_previous),
            (vec![1, 2], true, false)
        );
        let back = Page::cut(vec![3, 2, 1], 2, true, true);
        assert_eq!(
            (back.rows, back.has_next, back.has_previous),
            (vec![2, 3], true, true)
        );
    }

    #[tokio::test]
    async fn a_list_is_counted_unless_its_first_page_is_all_of_it() {
        let total = async |rows: Vec<i32>, came_from_cursor, reverse| {
            let page = Page::cut(rows, 2, came_from_cursor, reverse);
            let counted = async { Ok(Total::exactly(9)) };
            page.total(counted).await.unwrap().count
        };
        assert_eq!(total(vec![1, 2], false, false).await, 2);
        assert_eq!(total(vec![], false, false).await, 0);
        assert_eq!(total(vec![1, 2, 3], false, false).await, 9);
        // The last page, one behind it, and the first one when it is gone back to.
        assert_eq!(total(vec![9], true, false).await, 9);
        assert_eq!(total(vec![], true, false).await, 9);
        assert_eq!(total(vec![2, 1], true, true).await, 9);
    }
}

//! The filters of lists, and their echo in the metadata. Unknown parameters are ignored, and not echoed.

use serde_json::{Map, Value as Json, json};

use super::eastern::instant;
use super::query::Query;
use super::refusal::Refusal;
use super::resource::{Item as _, Kind, Resource, number};
use super::switches::SalesloftSwitches;
use super::value::Key;

/// The value that means that a field is missing.
const IS_NULL: &str = "_is_null";

/// The accepted filters of a request.
#[derive(Debug)]
pub(super) struct Filters {
    filters: Vec<Filter>,
    /// As the metadata shows them.
    pub(super) echo: Map<String, Json>,
}

#[derive(Debug)]
struct Filter {
    /// The field, as [`Item::value`](super::resource::Item::value) knows it.
    name: String,
    test: Test,
    /// Whether upper and lower case are the same.
    folds: bool,
}

#[derive(Debug)]
enum Test {
    OneOf { keys: Vec<Key>, or_null: bool },
    From(Key),
    Above(Key),
    To(Key),
    Below(Key),
}

impl Filters {
    pub(super) fn read<R: Resource>(
        query: &Query,
        switches: &SalesloftSwitches,
    ) -> Result<Self, Refusal> {
        let mut read = Self {
            filters: Vec::new(),
            echo: Map::new(),
        };
        for (name, kind) in R::filters(switches) {
            match kind {
                Kind::Time => read.add_range(query, name, switches)?,
                Kind::Labels => read.add_labels(query, name),
                _ => read.add_values(query, name, *kind)?,
            }
        }
        Ok(read)
    }

    /// `updated_at[gt]=…&updated_at[lte]=…`
    fn add_range(
        &mut self,
        query: &Query,
        name: &str,
        switches: &SalesloftSwitches,
    ) -> Result<(), Refusal> {
        let mut echo = Map::new();
        for (operator, text) in query.family(name) {
            let test: fn(Key) -> Test = match operator {
                "gt" => Test::Above,
                "gte" => Test::From,
                "lt" => Test::Below,
                "lte" => Test::To,
                _ => continue,
            };
            let Some(at) = instant(text) else {
                return Err(if switches.bad_time_unprocessable {
                    Refusal::field(name, "is invalid")
                } else {
                    Refusal::server_error()
                });
            };
            self.filters.push(Filter {
                name: name.to_owned(),
                test: test(Key::Number(at.timestamp_micros())),
                folds: false,
            });
            echo.insert(operator.to_owned(), json!(text));
        }
        if !echo.is_empty() {
            self.echo.insert(name.to_owned(), Json::Object(echo));
        }
        Ok(())
    }

    /// `custom_fields[Region]=north`
    fn add_labels(&mut self, query: &Query, name: &str) {
        let mut echo = Map::new();
        for (label, text) in query.family(name) {
            self.filters.push(Filter {
                name: format!("{name}[{label}]"),
                test: Test::OneOf {
                    keys: vec![Key::Text(text.to_lowercase())],
                    or_null: false,
                },
                folds: true,
            });
            echo.insert(label.to_owned(), json!(text));
        }
        if !echo.is_empty() {
            self.echo.insert(name.to_owned(), Json::Object(echo));
        }
    }

    fn add_values(&mut self, query: &Query, name: &str, kind: Kind) -> Result<(), Refusal> {
        let Some((texts, is_list)) = query.values(name) else {
            return Ok(());
        };
        let mut echo = Vec::with_capacity(texts.len());
        let (mut keys, mut or_null) = (Vec::new(), false);
        for text in texts {
            if text == IS_NULL && kind != Kind::Flag {
                or_null = true;
                echo.push(json!(text));
                continue;
            }
            let (key, shown) = read_value(kind, text)
                .ok_or_else(|| Refusal::told(422, &format!("{name} is invalid")))?;
            keys.push(key);
            echo.push(shown);
        }
        let shown = match echo.pop() {
            Some(only) if !is_list => only,
            last => {
                echo.extend(last);
                Json::Array(echo)
            }
        };
        self.echo.insert(name.to_owned(), shown);
        if kind != Kind::Echo {
            let name = match kind {
                Kind::AnyAddress => format!("any {name}"),
                _ => name.to_owned(),
            };
            self.filters.push(Filter {
                name,
                test: Test::OneOf { keys, or_null },
                folds: matches!(kind, Kind::Address | Kind::AnyAddress),
            });
        }
        Ok(())
    }

    pub(super) fn keeps<R: Resource>(&self, row: R::Row<'_>) -> bool {
        let mut filters = self.filters.iter();
        filters.all(|filter| {
            let keys = if filter.name == "ids" {
                vec![Key::Number(number(row.id()))]
            } else {
                row.value(&filter.name).keys(filter.folds)
            };
            filter.test.passes(&keys)
        })
    }
}

/// A filter's value as a key and for the echo; `None` if it is not of that kind.
fn read_value(kind: Kind, text: &str) -> Option<(Key, Json)> {
    match kind {
        Kind::Id => {
            let id: i64 = text.parse().ok()?;
            Some((Key::Number(id), json!(id)))
        }
        Kind::Flag => {
            let flag = match text {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return None,
            };
            Some((Key::Number(i64::from(flag)), json!(flag)))
        }
        Kind::Address | Kind::AnyAddress => Some((Key::Text(text.to_lowercase()), json!(text))),
        Kind::Text | Kind::Echo | Kind::Time | Kind::Labels => {
            Some((Key::Text(text.to_owned()), json!(text)))
        }
    }
}

impl Test {
    /// Whether any of the values matches.
    fn passes(&self, values: &[Key]) -> bool {
        match self {
            Self::OneOf { or_null: true, .. } if values.is_empty() => true,
            Self::OneOf { keys, .. } => values.iter().any(|value| keys.contains(value)),
            Self::From(bound) => values.iter().any(|value| value >= bound),
            Self::Above(bound) => values.iter().any(|value| value > bound),
            Self::To(bound) => values.iter().any(|value| value <= bound),
            Self::Below(bound) => values.iter().any(|value| value < bound),
        }
    }
}

//! The filters of a list: equality, lists, ranges and presence, for attributes and for attributes of
//! related records, in the old syntax and in that of `newFilterSyntax`.

use super::query::Query;
use super::refusal::Refusal;
use super::related::related_value;
use super::resource::{Field, Item as _, Resource, number};
use super::switches::OutreachSwitches;
use super::value::{Key, Kind, Value};
use crate::world::Team;

/// All filters of a request; a record has to match each.
#[derive(Debug, Default)]
pub(super) struct Filters {
    filters: Vec<Filter>,
    mind_case: bool,
}

#[derive(Debug)]
struct Filter {
    of: Subject,
    test: Test,
}

/// The subject of a filter.
#[derive(Debug)]
enum Subject {
    Own(&'static str),
    /// An attribute of related records.
    Related {
        relation: &'static str,
        kind: &'static str,
        attribute: String,
    },
    /// The attributes that `filter[q]` searches.
    Words,
}

#[derive(Debug)]
enum Test {
    OneOf(Vec<Key>),
    /// Lower and upper bound; the flag says whether the bound is included.
    Range {
        from: Option<(Key, bool)>,
        to: Option<(Key, bool)>,
    },
    Present(bool),
    Begins(String),
}

impl Filters {
    pub(super) fn read<R: Resource>(
        query: &Query,
        switches: &OutreachSwitches,
    ) -> Result<Self, Refusal> {
        let mut read = Self {
            filters: Vec::new(),
            mind_case: switches.filters_mind_case,
        };
        let new_syntax = query.flag("newFilterSyntax");
        for (path, value) in query.family("filter") {
            let Some((of, kind, operator)) = subject::<R>(&path) else {
                if switches.unknown_filters_ignored {
                    continue;
                }
                return Err(unknown(&path));
            };
            let test = if matches!(of, Subject::Words) {
                Test::Begins(value.to_lowercase())
            } else {
                let notation = (operator, new_syntax);
                let test = test_of(kind, notation, value, read.mind_case);
                test.ok_or_else(|| bad_value(&path, value))?
            };
            read.add(of, test);
        }
        Ok(read)
    }

    /// Merges filters with the same subject: the values of a list and the bounds of a range are separate
    /// parameters.
    fn add(&mut self, of: Subject, test: Test) {
        let known = self.filters.iter_mut().find(|known| known.of.is(&of));
        match (known.map(|known| &mut known.test), test) {
            (Some(Test::OneOf(values)), Test::OneOf(more)) => values.extend(more),
            (Some(Test::Range { from, to }), Test::Range { from: f, to: t }) => {
                *from = f.or(from.take());
                *to = t.or(to.take());
            }
            (_, test) => self.filters.push(Filter { of, test }),
        }
    }

    pub(super) fn keeps<R: Resource>(&self, team: &Team, row: R::Row<'_>) -> bool {
        let mut filters = self.filters.iter();
        filters.all(|filter| filter.passes::<R>(team, row, self.mind_case))
    }

    /// The upper bound of `updatedAt`, if there is one.
    pub(super) fn updated_to(&mut self) -> Option<&mut Key> {
        let mut filters = self.filters.iter_mut();
        let filter = filters.find(|filter| matches!(filter.of, Subject::Own("updatedAt")))?;
        match &mut filter.test {
            Test::Range {
                to: Some((to, _)), ..
            } => Some(to),
            _ => None,
        }
    }
}

impl Subject {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(a), Self::Own(b)) => a == b,
            (
                Self::Related {
                    relation: a,
                    attribute: x,
                    ..
                },
                Self::Related {
                    relation: b,
                    attribute: y,
                    ..
                },
            ) => a == b && x == y,
            _ => false,
        }
    }
}

impl Filter {
    fn passes<R: Resource>(&self, team: &Team, row: R::Row<'_>, mind_case: bool) -> bool {
        match &self.of {
            Subject::Own("id") => self.test.passes(&[Key::Number(number(row.id()))]),
            Subject::Own(name) => self.test.passes(&row.value(name).keys(mind_case)),
            Subject::Words => {
                let names = ["name", "firstName", "lastName", "emails", "domain"];
                let values = names.iter().map(|name| row.value(name));
                self.test.passes(
                    &values
                        .flat_map(|value| value.keys(false))
                        .collect::<Vec<_>>(),
                )
            }
            Subject::Related {
                relation,
                kind,
                attribute,
            } => {
                let known = row.related_values(relation, attribute);
                let values = known.unwrap_or_else(|| {
                    let ids = row.related(relation).into_iter();
                    ids.map(|id| match attribute.as_str() {
                        "id" => Value::Number(number(id)),
                        attribute => related_value(team, kind, id, attribute),
                    })
                    .collect()
                });
                let keys = values.iter().flat_map(|value| value.keys(mind_case));
                self.test.passes(&keys.collect::<Vec<_>>())
            }
        }
    }
}

impl Test {
    /// Whether any of the values matches.
    fn passes(&self, values: &[Key]) -> bool {
        match self {
            Self::Present(wanted) => values.is_empty() != *wanted,
            Self::OneOf(wanted) => values.iter().any(|value| wanted.contains(value)),
            Self::Begins(text) => values
                .iter()
                .any(|value| matches!(value, Key::Text(value) if value.starts_with(text.as_str()))),
            Self::Range { from, to } => values.iter().any(|value| {
                from.as_ref()
                    .is_none_or(|(from, inside)| value > from || (*inside && value == from))
                    && to
                        .as_ref()
                        .is_none_or(|(to, inside)| value < to || (*inside && value == to))
            }),
        }
    }
}

/// The subject of a filter, the kind of its values, and its operator.
fn subject<'p, R: Resource>(path: &[&'p str]) -> Option<(Subject, Kind, &'p str)> {
    let schema = R::SCHEMA;
    match *path {
        ["q"] if schema.kind == "prospect" || schema.kind == "account" => {
            Some((Subject::Words, Kind::Text, ""))
        }
        [name] => own(schema.field(name)?, ""),
        [name, operator] if schema.field(name).is_some() => own(schema.field(name)?, operator),
        [relation, attribute] => related::<R>(relation, attribute, ""),
        [relation, attribute, operator] => related::<R>(relation, attribute, operator),
        _ => None,
    }
}

fn own(field: Field, operator: &str) -> Option<(Subject, Kind, &str)> {
    field
        .filters
        .then_some((Subject::Own(field.name), field.kind, operator))
}

fn related<'p, R: Resource>(
    relation: &str,
    attribute: &str,
    operator: &'p str,
) -> Option<(Subject, Kind, &'p str)> {
    let relation = R::SCHEMA.relation(relation)?;
    if !relation.filters.contains(&attribute) {
        return None;
    }
    let kind = match attribute {
        "id" => Kind::Number,
        "updatedAt" | "createdAt" | "enabledAt" | "dueAt" => Kind::Time,
        "named" => Kind::Flag,
        "email" | "emails" => Kind::Address,
        _ => Kind::Text,
    };
    let of = Subject::Related {
        relation: relation.name,
        kind: relation.to,
        attribute: attribute.to_owned(),
    };
    Some((of, kind, operator))
}

fn test_of(
    kind: Kind,
    (operator, new_syntax): (&str, bool),
    value: &str,
    mind_case: bool,
) -> Option<Test> {
    let key = |text: &str| kind.parse(text, mind_case);
    match (operator, value) {
        (_, "__null__") => Some(Test::Present(false)),
        (_, "__notnull__") => Some(Test::Present(true)),
        ("", value) => match value.split_once("..") {
            Some((from, to)) if !new_syntax => Some(Test::Range {
                from: bound(from, key).ok()?,
                to: bound(to, key).ok()?,
            }),
            // Names can contain commas.
            _ if kind == Kind::Text => Some(Test::OneOf(vec![key(value)?])),
            _ => {
                let keys = value.split(',').map(|one| key(one.trim()));
                Some(Test::OneOf(keys.collect::<Option<Vec<_>>>()?))
            }
        },
        (_, _) if !new_syntax => None,
        ("gte" | "gt", value) => Some(Test::Range {
            from: Some((key(value)?, operator == "gte")),
            to: None,
        }),
        ("lte" | "lt", value) => Some(Test::Range {
            from: None,
            to: Some((key(value)?, operator == "lte")),
        }),
        _ => None,
    }
}

/// A filter's value that can't be parsed.
#[derive(Debug)]
struct NoValue;

/// One bound of a range in the old syntax; `None` if it is open.
fn bound(text: &str, key: impl Fn(&str) -> Option<Key>) -> Result<Option<(Key, bool)>, NoValue> {
    if text == "inf" || text == "neginf" {
        return Ok(None);
    }
    Ok(Some((key(text).ok_or(NoValue)?, true)))
}

fn unknown(path: &[&str]) -> Refusal {
    let name = path.join("][");
    Refusal::invalid_parameter(&format!("Filtering by '{name}' is not supported."))
}

fn bad_value(path: &[&str], value: &str) -> Refusal {
    let name = path.join("][");
    Refusal::invalid_parameter(&format!(
        "'{value}' is not a valid value of filter '{name}'."
    ))
}

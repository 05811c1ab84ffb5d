//! How much of an object's records is stored, and for how long.
//!
//! The policy is a sync config's; [`StorePolicy::stored`] is the one place that says what becomes of a
//! record under it.

use std::{collections::BTreeSet, fmt};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    Object, Record, Time,
    enrichment::{Enriched, EnrichedPerson},
    live::Company,
    record::Common,
};

/// The longest that records can be kept after their last change: ten years.
const MOST_RETAIN_DAYS: i64 = 3_650;
const CREATED_AT: &str = "created_at";
const UPDATED_AT: &str = "updated_at";
/// Only sequence states have it.
const CARRIER: &str = "contact_id";

/// How much of a record is stored. Its key, its deletion and the time of its last change in the
/// tables always are, except with `none`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = store_level)]
pub enum StoreLevel {
    /// All common fields, and the provider's own JSON.
    #[default]
    Full,
    /// All common fields.
    Common,
    /// These common fields, `created_at` and `updated_at` among them. The others are empty.
    Fields(BTreeSet<String>),
    /// Nothing: the object is not synced, and live reads still answer.
    None,
}

/// What a sync config says of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorePolicy {
    pub level: StoreLevel,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_days: Option<i64>,
}

/// Why a policy is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidStorePolicy {
    pub(crate) field: &'static str,
    pub(crate) reason: String,
}

impl StorePolicy {
    pub(crate) fn check(&self, object: Object) -> Result<(), InvalidStorePolicy> {
        let invalid = |field, reason| Err(InvalidStorePolicy { field, reason });
        if let StoreLevel::Fields(fields) = &self.level
            && let Some(unknown) = fields.iter().find(|field| !is_field(object, field))
        {
            let known: Vec<&str> = fields_of(object).collect();
            return invalid(
                "store.fields",
                format!(
                    "{} have no '{unknown}': some of {} are expected",
                    object.plural(),
                    known.join(", ")
                ),
            );
        }
        match self.retain_days {
            Some(days) if !(1..=MOST_RETAIN_DAYS).contains(&days) => invalid(
                "retain_days",
                format!("must be at least 1 and at most {MOST_RETAIN_DAYS}"),
            ),
            Some(_) if self.level == StoreLevel::None => invalid(
                "retain_days",
                "cannot be set where nothing is stored".to_owned(),
            ),
            _ => Ok(()),
        }
    }

    pub fn is_full(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this policy stores something that `other` doesn't.
    pub fn stores_more_than(&self, other: &Self) -> bool {
        let longer = match (self.retain_days, other.retain_days) {
            (None, Some(_)) => true,
            (Some(own), Some(other)) => own > other,
            (_, None) => false,
        };
        let more = match (&self.level, &other.level) {
            (StoreLevel::None, _) => return false,
            (StoreLevel::Full, other) => *other != StoreLevel::Full,
            (StoreLevel::Fields(own), StoreLevel::Fields(other)) => !own.is_subset(other),
            (_, StoreLevel::None) | (StoreLevel::Common, StoreLevel::Fields(_)) => true,
            (StoreLevel::Common | StoreLevel::Fields(_), _) => false,
        };
        more || longer
    }

    /// Records whose newest time at the provider is earlier are not stored, and neither are rows
    /// that were deleted earlier.
    pub fn stored_since(&self, now: Time) -> Option<Time> {
        let days = self.retain_days?;
        now.checked_sub_signed(TimeDelta::days(days))
    }

    /// Whether a record of these times is stored. One of which the provider tells no time is.
    pub fn retains(&self, created_at: Option<Time>, updated_at: Option<Time>, now: Time) -> bool {
        match (self.stored_since(now), updated_at.or(created_at)) {
            (Some(since), Some(newest)) => newest >= since,
            _ => self.level != StoreLevel::None,
        }
    }

    /// What is stored of a record. The hash is left as it is: it has to be computed of what is
    /// stored.
    pub fn stored<T: Common>(&self, record: &Record<T>) -> Record<T> {
        if self.keeps_raw_data() {
            return record.clone();
        }
        let mut fields = record.fields.clone();
        fields.clear_fields(|field| self.keeps(field));
        Record {
            id: record.id.clone(),
            created_at: record.created_at.filter(|_| self.keeps(CREATED_AT)),
            updated_at: record.updated_at.filter(|_| self.keeps(UPDATED_AT)),
            is_deleted: record.is_deleted,
            fields,
            raw: nothing(),
            hash: record.hash,
            former_hash: None,
            unread: record.unread.clone(),
        }
    }

    /// What is stored of a result of enrichment: of a person by the names of a contact's fields, of a
    /// company by those of an account's. Where nothing is stored, a job's results are kept until it
    /// has ended.
    pub fn stored_result(&self, result: &Enriched) -> Enriched {
        let StoreLevel::Fields(fields) = &self.level else {
            return result.clone();
        };
        let keeps = |field: &str| fields.contains(field);
        match result {
            Enriched::Person(person) => {
                let mut stored = EnrichedPerson {
                    id: person.id.clone(),
                    ..EnrichedPerson::default()
                };
                if keeps("first_name") {
                    stored.first_name.clone_from(&person.first_name);
                }
                if keeps("last_name") {
                    stored.last_name.clone_from(&person.last_name);
                }
                if keeps("first_name") && keeps("last_name") {
                    stored.name.clone_from(&person.name);
                }
                if keeps("job_title") {
                    stored.title.clone_from(&person.title);
                    stored.headline.clone_from(&person.headline);
                    stored.seniority.clone_from(&person.seniority);
                }
                if keeps("email_addresses") {
                    stored.email.clone_from(&person.email);
                    stored.email_status.clone_from(&person.email_status);
                    stored.personal_emails.clone_from(&person.personal_emails);
                }
                if keeps("phone_numbers") {
                    stored.phone_numbers.clone_from(&person.phone_numbers);
                }
                if keeps("address") {
                    stored.city.clone_from(&person.city);
                    stored.state.clone_from(&person.state);
                    stored.country.clone_from(&person.country);
                }
                if keeps("account_id") {
                    stored.company.clone_from(&person.company);
                }
                Enriched::Person(Box::new(stored))
            }
            Enriched::Company(company) => Enriched::Company(Company {
                name: company.name.clone().filter(|_| keeps("name")),
                domain: company.domain.clone().filter(|_| keeps("domain")),
                ..Company::default()
            }),
        }
    }

    /// Whether an answer of that time may be used for another job.
    pub fn reuses_result(&self, asked_at: Time, now: Time) -> bool {
        self.level != StoreLevel::None && self.retains(None, Some(asked_at), now)
    }

    /// Whether a common field is stored. Where records are kept for a time, the provider's times
    /// are, because nothing else says how old a record is. So is the contact of a sequence state:
    /// it belongs to the key, and says whether the state is gone.
    pub fn keeps(&self, field: &str) -> bool {
        match &self.level {
            StoreLevel::Full | StoreLevel::Common => true,
            StoreLevel::Fields(fields) => {
                let is_time = [CREATED_AT, UPDATED_AT].contains(&field);
                fields.contains(field)
                    || field == CARRIER
                    || (is_time && self.retain_days.is_some())
            }
            StoreLevel::None => false,
        }
    }

    /// Whether the provider's own JSON is stored.
    pub fn keeps_raw_data(&self) -> bool {
        self.level == StoreLevel::Full
    }
}

/// What is stored, as part of a sentence.
impl fmt::Display for StorePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.level {
            StoreLevel::Full => f.write_str("everything")?,
            StoreLevel::Common => f.write_str("every common field and no raw data")?,
            StoreLevel::Fields(fields) if fields.is_empty() => f.write_str("the id alone")?,
            StoreLevel::Fields(fields) => {
                let names: Vec<&str> = fields.iter().map(String::as_str).collect();
                write!(f, "only {}", names.join(", "))?;
            }
            StoreLevel::None => f.write_str("nothing")?,
        }
        match self.retain_days {
            Some(1) => f.write_str(" for a day"),
            Some(days) => write!(f, " for {days} days"),
            None => Ok(()),
        }
    }
}

/// The fields that a policy can name.
fn fields_of(object: Object) -> impl Iterator<Item = &'static str> {
    let own = object.fields().iter().copied();
    own.chain([CREATED_AT, UPDATED_AT])
}

fn is_field(object: Object, name: &str) -> bool {
    fields_of(object).any(|field| field == name)
}

/// In the place of the provider's JSON.
fn nothing() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Contact;

    fn only(fields: &[&str]) -> StorePolicy {
        StorePolicy {
            level: StoreLevel::Fields(fields.iter().map(|field| (*field).to_owned()).collect()),
            retain_days: None,
        }
    }

    fn with(level: StoreLevel) -> StorePolicy {
        StorePolicy {
            level,
            retain_days: None,
        }
    }

    #[test]
    fn a_policy_is_written_as_the_documents_say() {
        let read = |text| serde_json::from_str::<StoreLevel>(text).unwrap();
        assert_eq!(read(r#""full""#), StoreLevel::Full);
        assert_eq!(read(r#""common""#), StoreLevel::Common);
        assert_eq!(read(r#""none""#), StoreLevel::None);
        assert_eq!(read(r#"{"fields":["email"]}"#), only(&["email"]).level);
    }

    #[test]
    fn a_field_that_the_object_does_not_have_is_named_with_those_that_it_has() {
        let invalid = only(&["email"]).check(Object::Account).unwrap_err();
        assert_eq!(invalid.field, "store.fields");
        assert_eq!(
            invalid.reason,
            "accounts have no 'email': some of owner_id, name, domain, created_at, updated_at \
             are expected"
        );
        assert_eq!(only(&["email", "updated_at"]).check(Object::User), Ok(()));
    }

    #[test]
    fn more_is_more_fields_or_a_longer_time() {
        let (full, common, none) = (
            with(StoreLevel::Full),
            with(StoreLevel::Common),
            with(StoreLevel::None),
        );
        for (more, less) in [
            (&full, &common),
            (&common, &only(&["email"])),
            (&only(&["email", "name"]), &only(&["email"])),
            (&only(&[]), &none),
        ] {
            assert!(more.stores_more_than(less), "{more:?} {less:?}");
            assert!(!less.stores_more_than(more), "{less:?} {more:?}");
            assert!(!more.stores_more_than(more), "{more:?}");
        }
        let month = StorePolicy {
            retain_days: Some(30),
            ..common.clone()
        };
        assert!(common.stores_more_than(&month));
        assert!(!month.stores_more_than(&common));
        let other = only(&["name"]);
        assert!(only(&["email"]).stores_more_than(&other));
        assert!(other.stores_more_than(&only(&["email"])));
    }

    #[test]
    fn fields_that_are_not_kept_are_empty() {
        let json = r#"{"owner_id": "u", "account_id": "a", "first_name": "Lin", "last_name": "M",
            "job_title": "CEO", "address": {"street_1": "x", "street_2": null, "city": null,
            "state": null, "postal_code": null, "country": null},
            "email_addresses": [{"email_address": "a@b.c", "email_address_type": null}],
            "phone_numbers": [{"phone_number": "1", "phone_number_type": null}],
            "open_count": 1, "click_count": 2, "reply_count": 3, "bounced_count": 4}"#;
        let fields: Contact = serde_json::from_str(json).unwrap();
        let record = Record {
            id: "c".to_owned(),
            created_at: Some(Time::UNIX_EPOCH),
            updated_at: Some(Time::UNIX_EPOCH),
            is_deleted: false,
            fields,
            raw: RawValue::from_string(json.to_owned()).unwrap(),
            hash: 1,
            former_hash: Some(2),
            unread: Vec::new(),
        };
        let stored = only(&["first_name"]).stored(&record);
        let empty = serde_json::json!({
            "owner_id": null, "account_id": null, "first_name": "Lin", "last_name": null,
            "job_title": null, "address": null, "email_addresses": [], "phone_numbers": [],
            "open_count": 0, "click_count": 0, "reply_count": 0, "bounced_count": 0});
        assert_eq!(serde_json::to_value(&stored.fields).unwrap(), empty);
        assert_eq!((stored.created_at, stored.updated_at), (None, None));
        assert_eq!((stored.raw.get(), stored.former_hash), ("null", None));
        let timed = StorePolicy {
            retain_days: Some(3),
            ..only(&["first_name"])
        };
        assert_eq!(timed.stored(&record).updated_at, record.updated_at);
    }

    #[test]
    fn a_record_without_a_time_is_kept_and_an_old_one_is_not() {
        let policy = StorePolicy {
            retain_days: Some(10),
            ..with(StoreLevel::Full)
        };
        let now = Time::UNIX_EPOCH + TimeDelta::days(100);
        let days_ago = |days| Some(now - TimeDelta::days(days));
        assert!(policy.retains(None, None, now));
        assert!(policy.retains(days_ago(90), days_ago(10), now));
        assert!(!policy.retains(days_ago(9), days_ago(11), now));
        assert!(!policy.retains(days_ago(11), None, now));
    }
}

//! What the simulation has to know of each provider: how its requests look, and what its lists can
//! show.

use std::fmt;

use http::HeaderMap;
use syncline_model::{Object, ProviderName, VolumeLimits};
use syncline_providers::{BUILT_IN, apollo, outreach, salesloft};
use syncline_sim::Dialect;

use crate::{
    shapes::{self, Field},
    wire::Asked,
};

/// A provider that is simulated.
pub(crate) struct SimulatedProvider {
    pub(crate) name: ProviderName,
    pub(crate) dialect: Dialect,
    /// Records of a full page.
    pub(crate) page_size: usize,
    /// How much larger its worlds are than Apollo's, so that their lists have several pages too.
    pub(crate) scale: usize,
    /// Its OAuth application's id and secret; `None`: customers connect with keys.
    pub(crate) client: Option<(&'static str, &'static str)>,
    pub(crate) objects: &'static [Object],
    /// The fields of its records that may have a value of the wrong type.
    pub(crate) fields: fn(Object) -> &'static [Field],
    /// Scopes of credentials that may read nothing but contacts.
    pub(crate) contacts_only: &'static [&'static str],
    /// The object whose pages contain sequence states, if they have no list of their own.
    states_in: Option<Object>,
    /// The path of each object's list.
    lists: &'static [(&'static str, Object)],
    /// Paths below which records are read by id, if these are not below the lists.
    gets: &'static [(&'static str, Object)],
    /// Lists in which pages shift when a record before them goes and another comes.
    shifting: &'static [Object],
    /// A list with neither an order nor a total.
    bare: Option<Object>,
    /// Statuses of lookups that say something about the record.
    pub(crate) found_out: &'static [u16],
    /// The body of a 404 that says nothing about a record.
    pub(crate) no_route: &'static str,
    /// Text of a record that the provider itself marks as deleted.
    marks: &'static [(Object, &'static str)],
    /// The field with the time of a record's last change, if reads can be limited to it.
    changed_at: Option<&'static str>,
    /// Whether the user of the credentials is told that a record exists but is not for them.
    pub(crate) says_hidden: bool,
}

const APOLLO: SimulatedProvider = SimulatedProvider {
    name: apollo::NAME,
    dialect: Dialect::Apollo,
    page_size: 100,
    scale: 1,
    client: None,
    objects: Object::ALL,
    fields: shapes::apollo::fields_of,
    contacts_only: &["contacts/search", "contacts/show"],
    states_in: Some(Object::Contact),
    lists: &[
        ("/api/v1/users/search", Object::User),
        ("/api/v1/email_accounts", Object::Mailbox),
        ("/api/v1/emailer_campaigns/search", Object::Sequence),
        ("/api/v1/accounts/search", Object::Account),
        ("/api/v1/contacts/search", Object::Contact),
    ],
    gets: &[
        ("/api/v1/contacts/", Object::Contact),
        ("/api/v1/accounts/", Object::Account),
    ],
    shifting: &[Object::User, Object::Mailbox, Object::Sequence],
    bare: Some(Object::Mailbox),
    found_out: &[200, 422],
    no_route: r#"{"status":404,"error":"Not Found"}"#,
    marks: &[
        (Object::User, r#""deleted":true"#),
        (Object::Sequence, r#""archived":true"#),
    ],
    changed_at: None,
    says_hidden: true,
};

const OUTREACH: SimulatedProvider = SimulatedProvider {
    name: outreach::NAME,
    dialect: Dialect::Outreach,
    page_size: 1_000,
    scale: 4,
    client: Some(("sim-outreach-client", "sim-outreach-secret")),
    objects: Object::ALL,
    fields: shapes::outreach::fields_of,
    contacts_only: &["prospects.read"],
    states_in: None,
    lists: &[
        ("/api/v2/users", Object::User),
        ("/api/v2/mailboxes", Object::Mailbox),
        ("/api/v2/sequences", Object::Sequence),
        ("/api/v2/accounts", Object::Account),
        ("/api/v2/prospects", Object::Contact),
        ("/api/v2/sequenceStates", Object::SequenceState),
    ],
    gets: &[
        ("/api/v2/users/", Object::User),
        ("/api/v2/mailboxes/", Object::Mailbox),
        ("/api/v2/sequences/", Object::Sequence),
        ("/api/v2/accounts/", Object::Account),
        ("/api/v2/prospects/", Object::Contact),
        ("/api/v2/sequenceStates/", Object::SequenceState),
    ],
    shifting: &[],
    bare: None,
    found_out: &[200, 404],
    no_route: r#"{"errors":[{"id":"routeNotFound","title":"Route not found"}]}"#,
    marks: &[(Object::Contact, r#""trashedAt":""#)],
    changed_at: Some("updatedAt"),
    says_hidden: true,
};

const SALESLOFT: SimulatedProvider = SimulatedProvider {
    name: salesloft::NAME,
    dialect: Dialect::Salesloft,
    page_size: 100,
    scale: 1,
    client: Some(("sim-salesloft-client", "sim-salesloft-secret")),
    objects: &[
        Object::User,
        Object::Sequence,
        Object::Account,
        Object::Contact,
        Object::SequenceState,
    ],
    fields: shapes::salesloft::fields_of,
    // The team is read to know whose limits count.
    contacts_only: &["people:read", "team:read"],
    states_in: None,
    lists: &[
        ("/v2/users", Object::User),
        ("/v2/cadences", Object::Sequence),
        // A scan of cadences reads their steps first.
        ("/v2/steps", Object::Sequence),
        ("/v2/accounts", Object::Account),
        ("/v2/people", Object::Contact),
        ("/v2/cadence_memberships", Object::SequenceState),
    ],
    gets: &[
        ("/v2/users/", Object::User),
        ("/v2/cadences/", Object::Sequence),
        ("/v2/accounts/", Object::Account),
        ("/v2/people/", Object::Contact),
        ("/v2/cadence_memberships/", Object::SequenceState),
    ],
    shifting: &[Object::User],
    bare: None,
    found_out: &[200, 404],
    // Salesloft's own words are the same for a path and for a record.
    no_route: "no such backend",
    marks: &[
        (Object::SequenceState, r#""person_deleted":true"#),
        (Object::Sequence, r#""current_state":"deleted""#),
    ],
    changed_at: Some("updated_at"),
    says_hidden: false,
};

/// All of them, in the order in which a seed draws one.
pub(crate) const ALL: [&SimulatedProvider; 3] = [&APOLLO, &OUTREACH, &SALESLOFT];

impl fmt::Debug for SimulatedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_str())
    }
}

impl SimulatedProvider {
    pub(crate) fn named(name: ProviderName) -> Option<&'static Self> {
        ALL.into_iter().find(|provider| provider.name == name)
    }

    /// How much is read of an account unless a connection says otherwise.
    pub(crate) fn limits(&self) -> VolumeLimits {
        let built_in = BUILT_IN.iter().find(|it| it.name == self.name);
        built_in.map_or(VolumeLimits::NONE, |it| it.limits)
    }

    /// What a request asks for.
    pub(crate) fn asked(&self, path: &str) -> Asked {
        if self.client.is_some() && path == "/oauth/token" {
            return Asked::Token;
        }
        let list = self.lists.iter().find(|(list, _)| *list == path);
        if let Some((_, object)) = list {
            return Asked::List(*object);
        }
        let get = self.gets.iter().find(|(below, _)| path.starts_with(below));
        get.map_or(Asked::Other, |(_, object)| Asked::Get(*object))
    }

    /// The key or access token of a request.
    pub(crate) fn secret_in(&self, headers: &HeaderMap) -> String {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let secret = match self.client {
            None => text("x-api-key"),
            Some(_) => text("authorization").and_then(|value| value.strip_prefix("Bearer ")),
        };
        secret.unwrap_or_default().to_owned()
    }

    /// The object in whose pages the provider shows an object's records.
    pub(crate) fn carrier_of(&self, object: Object) -> Object {
        match object {
            Object::SequenceState => self.states_in.unwrap_or(object),
            other => other,
        }
    }

    /// Whether a record can be looked up by its id.
    pub(crate) fn has_lookup(&self, object: Object) -> bool {
        self.gets.iter().any(|(_, known)| *known == object)
    }

    /// Numbers of records that no page may have.
    pub(crate) fn oversized(&self) -> [u64; 3] {
        let size = u64::try_from(self.page_size).unwrap_or(u64::MAX);
        [size + 1, size + 37, size + 150]
    }

    pub(crate) fn shifts(&self, object: Object) -> bool {
        self.shifting.contains(&object)
    }

    pub(crate) fn is_bare(&self, object: Object) -> bool {
        self.bare == Some(object)
    }

    /// When a record changed last, by its own text.
    pub(crate) fn changed_at<'r>(&self, raw_data: &'r str) -> Option<&'r str> {
        let field = format!(r#""{}":""#, self.changed_at?);
        let (_, rest) = raw_data.split_once(&field)?;
        Some(rest.split_once('"')?.0)
    }

    /// Whether the text of a record says that it is deleted.
    pub(crate) fn marks(&self, object: Object, raw_data: &str) -> bool {
        let mut marks = self.marks.iter().filter(|(of, _)| *of == object);
        marks.any(|(_, mark)| raw_data.contains(mark))
    }

    /// The id of a sequence state's row: where states are part of contacts, their ids repeat.
    pub(crate) fn state_row_id(&self, contact: &str, state: &str) -> String {
        match self.states_in {
            Some(_) => format!("{contact}.{state}"),
            None => state.to_owned(),
        }
    }

    /// The provider's id of the state in a row.
    pub(crate) fn state_in_row<'i>(&self, contact: &str, id: &'i str) -> Option<&'i str> {
        match self.states_in {
            Some(_) => id.strip_prefix(contact)?.strip_prefix('.'),
            None => Some(id),
        }
    }
}

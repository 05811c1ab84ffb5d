//! Writes records in JSON:API's form: type, id, attributes, relationships and links.
//!
//! Links in records have the address of the live service. Links between pages, which clients follow, have
//! the host of the request; they are in [`list`](mod@super::list).

use chrono::{DateTime, Utc};

use super::refusal::whole_seconds;
use super::resource::Schema;
use crate::json::{Object, zulu};

/// The address of the live service.
pub(super) const API: &str = "https://api.outreach.io/api/v2";

/// How records are rendered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'s> {
    /// The attributes and relationships to show; all if there is no list.
    pub(super) fields: Option<&'s [String]>,
    pub(super) ids_as_text: bool,
    /// Prospects have a `contactHistogram`.
    pub(super) histogram: bool,
}

impl Style<'_> {
    pub(super) const DEFAULT: Self = Self {
        fields: None,
        ids_as_text: false,
        histogram: true,
    };

    /// Whether the cached rendering of a record can be used.
    pub(super) fn allows_cache(&self) -> bool {
        self.fields.is_none() && !self.ids_as_text
    }

    fn wants(&self, name: &str) -> bool {
        let fields = self.fields;
        fields.is_none_or(|fields| fields.iter().any(|field| field == name))
    }

    fn id(&self, id: &str) -> String {
        if self.ids_as_text {
            crate::json::quoted(id)
        } else {
            super::resource::number(id).to_string()
        }
    }
}

/// A record being rendered.
#[derive(Debug)]
pub(super) struct Record<'s> {
    kind: &'static str,
    plural: &'static str,
    id: String,
    style: Style<'s>,
    attributes: Object,
    relationships: Object,
}

impl<'s> Record<'s> {
    pub(super) fn new(schema: &Schema, id: &str, style: Style<'s>) -> Self {
        Self {
            kind: schema.kind,
            plural: schema.plural,
            id: id.to_owned(),
            style,
            attributes: Object::with_capacity(1_024),
            relationships: Object::with_capacity(1_024),
        }
    }

    pub(super) fn style(&self) -> Style<'s> {
        self.style
    }

    /// An attribute; `value` is JSON.
    pub(super) fn raw(&mut self, name: &str, value: &str) -> &mut Self {
        if self.style.wants(name) {
            self.attributes.raw(name, value);
        }
        self
    }

    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        if self.style.wants(name) {
            self.attributes.text(name, value);
        }
        self
    }

    pub(super) fn maybe(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if self.style.wants(name) {
            self.attributes.maybe(name, value);
        }
        self
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    pub(super) fn number(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        if self.style.wants(name) {
            self.attributes.number(name, value);
        }
        self
    }

    pub(super) fn time(&mut self, name: &str, at: DateTime<Utc>) -> &mut Self {
        if self.style.wants(name) {
            self.attributes.text(name, &timestamp(at));
        }
        self
    }

    pub(super) fn maybe_time(&mut self, name: &str, at: Option<DateTime<Utc>>) -> &mut Self {
        match at {
            Some(at) => self.time(name, at),
            None => self.raw(name, "null"),
        }
    }

    pub(super) fn texts<T: AsRef<str>>(&mut self, name: &str, values: &[T]) -> &mut Self {
        if self.style.wants(name) {
            self.attributes.texts(name, values);
        }
        self
    }

    /// An attribute given as `"name":value`.
    pub(super) fn member(&mut self, name: &str, member: &str) -> &mut Self {
        if self.style.wants(name) {
            self.attributes.splice(member);
        }
        self
    }

    /// Attributes that are null.
    pub(super) fn nulls(&mut self, names: &[&str]) -> &mut Self {
        for name in names {
            self.raw(name, "null");
        }
        self
    }

    /// A relationship to at most one record.
    pub(super) fn relate_one(&mut self, name: &str, kind: &str, id: Option<&str>) -> &mut Self {
        if self.style.wants(name) {
            let mut o = Object::new();
            match id {
                Some(id) => o.raw("data", &self.linkage(kind, id)),
                None => o.null("data"),
            };
            self.relationships.raw(name, &o.finish());
        }
        self
    }

    /// A relationship to any number of records, with their ids and the link to their list.
    pub(super) fn relate_many(
        &mut self,
        name: &str,
        kind: &str,
        ids: &[&str],
        plural: &str,
    ) -> &mut Self {
        if self.style.wants(name) {
            let data: Vec<String> = ids.iter().map(|id| self.linkage(kind, id)).collect();
            let mut meta = Object::new();
            meta.number("count", ids.len());
            let mut o = Object::new();
            o.list("data", &data)
                .raw("links", &self.list_of(plural))
                .raw("meta", &meta.finish());
            self.relationships.raw(name, &o.finish());
        }
        self
    }

    /// Relationships with nothing but the link to their list; each with the plural of that list.
    pub(super) fn links_to(&mut self, relations: &[(&str, &str)]) -> &mut Self {
        for (name, plural) in relations {
            if self.style.wants(name) {
                let mut o = Object::new();
                o.raw("links", &self.list_of(plural));
                self.relationships.raw(name, &o.finish());
            }
        }
        self
    }

    pub(super) fn finish(self) -> String {
        let mut links = Object::new();
        links.text("self", &format!("{API}/{}/{}", self.plural, self.id));
        let mut o = Object::with_capacity(4_096);
        o.text("type", self.kind)
            .raw("id", &self.style.id(&self.id))
            .raw("attributes", &self.attributes.finish())
            .raw("relationships", &self.relationships.finish())
            .raw("links", &links.finish());
        o.finish()
    }

    fn linkage(&self, kind: &str, id: &str) -> String {
        let mut o = Object::new();
        o.text("type", kind).raw("id", &self.style.id(id));
        o.finish()
    }

    /// The link to the list of related records.
    fn list_of(&self, plural: &str) -> String {
        let related = format!(
            "{API}/{plural}?filter%5B{}%5D%5Bid%5D={}",
            self.kind, self.id
        );
        let mut o = Object::new();
        o.text("related", &related);
        o.finish()
    }
}

/// A time as Outreach writes it: whole seconds with three zeros as milliseconds.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    zulu(whole_seconds(at))
}

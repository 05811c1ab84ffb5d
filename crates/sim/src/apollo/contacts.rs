//! Reading `contacts/*`.

use std::sync::Arc;

use super::Call;
use super::page::{around, crumb, cut};
use super::refusal::{Answer, Refusal};
use super::render::contact::View;
use crate::world::EditError;
use crate::world::contact::Contact;
use crate::world::table::{Order, Row as _};

const SORT_FIELDS: &[(&str, Order)] = &[
    ("contact_last_activity_date", Order::LastActivity),
    ("contact_email_last_opened_at", Order::LastActivity),
    ("contact_email_last_clicked_at", Order::LastActivity),
    ("contact_created_at", Order::Created),
    ("contact_updated_at", Order::Updated),
];

const MISSING: &str = "Oops! This contact does not exist in Apollo.";
const DELETED: &str = "This contact has been deleted.";

pub(crate) fn search(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let ask = call.page(25)?;
    let (order, ascending) = call.sorting(SORT_FIELDS)?;
    let filter = Filter::read(call);
    let crumbs = filter.crumbs(call);
    let mut positions = call.team.contacts.ordered(order);
    if filter.narrows() {
        let table = &call.team.contacts;
        let kept = positions.iter().copied();
        let kept = kept.filter(|&at| table.at(at).is_some_and(|contact| filter.keeps(contact)));
        positions = Arc::new(kept.collect());
    }
    let page = cut(
        &mut call.team.contacts,
        &positions,
        ascending,
        ask,
        call.distortion,
    );
    let after = format!(
        concat!(
            r#"],"breadcrumbs":[{}],"partial_results_only":false,"has_join":false,"disable_eu_prospecting":false,"#,
            r#""partial_results_limit":10000,"pagination":{},"num_fetch_result":null}}"#
        ),
        crumbs.join(","),
        page.pagination
    );
    Ok(around(r#"{"contacts":["#, &page.rows, &after))
}

pub(crate) fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    match call.team.live_contact(call.id) {
        Ok(_) if call.team.contacts.is_hidden(call.id) => Err(Refusal::not_for_you()),
        Ok(contact) => Ok(Answer::one(format!(
            r#"{{"contact":{}}}"#,
            contact.render(View::Show)
        ))),
        Err(EditError::Deleted) => Err(Refusal::invalid(DELETED)),
        Err(_) => Err(Refusal::invalid(MISSING)),
    }
}

pub(super) fn missing() -> Refusal {
    Refusal::invalid(MISSING)
}

/// The supported filters of a search; others are ignored.
#[derive(Debug, Default)]
struct Filter {
    keywords: Option<String>,
    stages: Option<Vec<String>>,
    labels: Option<Vec<String>>,
    sequences: Option<Vec<String>>,
}

impl Filter {
    fn read(call: &Call<'_>) -> Self {
        let list = |name| call.params.list(name).filter(|items| !items.is_empty());
        Self {
            keywords: call.params.text("q_keywords"),
            stages: list("contact_stage_ids"),
            labels: list("contact_label_ids"),
            sequences: list("emailer_campaign_ids"),
        }
    }

    fn narrows(&self) -> bool {
        self.keywords.is_some()
            || self.stages.is_some()
            || self.labels.is_some()
            || self.sequences.is_some()
    }

    fn keeps(&self, contact: &Contact) -> bool {
        let among = |wanted: &Option<Vec<String>>, id: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.iter().any(|wanted| wanted == id))
        };
        among(
            &self.stages,
            contact.stage_id.as_deref().unwrap_or_default(),
        ) && (self.labels.is_none() || contact.label_ids.iter().any(|id| among(&self.labels, id)))
            && (self.sequences.is_none()
                || contact
                    .states
                    .iter()
                    .any(|state| among(&self.sequences, &state.sequence_id)))
            && self
                .keywords
                .as_ref()
                .is_none_or(|words| says(contact, words))
    }

    fn crumbs(&self, call: &Call<'_>) -> Vec<String> {
        let team = &call.team;
        let mut crumbs = Vec::new();
        if let Some(words) = &self.keywords {
            crumbs.push(crumb("Keywords", "q_keywords", words, words));
        }
        for id in self.stages.iter().flatten() {
            let name = team
                .contact_stages
                .iter()
                .find(|stage| stage.id == *id)
                .map_or("", |stage| stage.name);
            crumbs.push(crumb("Contact Stages", "contact_stage_ids", id, name));
        }
        for id in self.labels.iter().flatten() {
            let name = team
                .labels
                .iter()
                .find(|label| label.id == *id)
                .map_or("", |label| &label.name);
            crumbs.push(crumb("Lists", "contact_label_ids", id, name));
        }
        for id in self.sequences.iter().flatten() {
            let name = team
                .sequences
                .get(id)
                .filter(|s| s.listed())
                .map_or("", |s| &s.name);
            crumbs.push(crumb("Sequences", "emailer_campaign_ids", id, name));
        }
        crumbs
    }
}

/// Whether the contact's names, title, company or addresses have a word in common with the search
/// text. So a search for an address also finds everybody at its domain.
fn says(contact: &Contact, asked: &str) -> bool {
    let asked = asked.to_lowercase();
    let wanted: Vec<&str> = words(&asked).collect();
    let texts = [
        contact.first_name.as_deref(),
        contact.last_name.as_deref(),
        contact.title.as_deref(),
        contact.organization_name.as_deref(),
    ];
    let emails = contact.emails.iter().map(|email| email.address.as_str());
    let mut texts = texts.into_iter().flatten().chain(emails);
    texts.any(|text| words(&text.to_lowercase()).any(|word| wanted.contains(&word)))
}

/// Words as search engines split them: a dot or an apostrophe within a word does not end it, so an
/// address has two words, `ines.duarte` and `x.example`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let within = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '\'');
    let parts = text.split(move |c: char| !within(c));
    let words = parts.map(|part| part.trim_matches(['.', '\'']));
    words.filter(|word| !word.is_empty())
}

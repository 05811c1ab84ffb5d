//! Related records, for filters and for `include`.

use super::Call;
use super::accounts::Accounts;
use super::email_addresses::EmailAddresses;
use super::mailboxes::Mailboxes;
use super::phone_numbers::PhoneNumbers;
use super::prospects::Prospects;
use super::record::Style;
use super::refusal::Refusal;
use super::resource::{Item as _, Resource, render};
use super::sequence_states::SequenceStates;
use super::sequence_steps::SequenceSteps;
use super::sequence_templates::SequenceTemplates;
use super::sequences::Sequences;
use super::stages::Stages;
use super::tasks::Tasks;
use super::templates::Templates;
use super::users::Users;
use super::value::Value;
use crate::world::Team;

/// An attribute of a record of any kind.
pub(super) fn related_value<'t>(
    team: &'t Team,
    kind: &str,
    id: &str,
    attribute: &str,
) -> Value<'t> {
    fn of<'t, R: Resource>(team: &'t Team, id: &str, attribute: &str) -> Value<'t> {
        R::find(team, id).map_or(Value::Null, |row| row.value(attribute))
    }
    let read = match kind {
        "account" => of::<Accounts>,
        "mailbox" => of::<Mailboxes>,
        "prospect" => of::<Prospects>,
        "sequence" => of::<Sequences>,
        "sequenceState" => of::<SequenceStates>,
        "sequenceStep" => of::<SequenceSteps>,
        "stage" => of::<Stages>,
        "template" => of::<Templates>,
        "user" => of::<Users>,
        _ => return Value::Null,
    };
    read(team, id, attribute)
}

/// The records that `include` names; `None` without the parameter.
pub(super) fn included<R: Resource>(
    call: &Call<'_>,
    shown: &[R::Row<'_>],
) -> Result<Option<Vec<String>>, Refusal> {
    let names = call.query.words("include");
    if names.is_empty() {
        return Ok(None);
    }
    let (mut seen, mut records) = (Vec::new(), Vec::new());
    for name in names {
        let Some(relation) = R::SCHEMA.relation(name) else {
            let detail = format!("Including '{name}' is not supported.");
            return Err(Refusal::invalid_parameter(&detail));
        };
        let Some((plural, record)) = reader(relation.to) else {
            continue;
        };
        call.require_scope(&format!("{plural}.read"))?;
        let fields = call.query.fields(relation.to);
        let style = call.style(fields.as_deref());
        for id in shown.iter().flat_map(|row| row.related(name)) {
            let key = (relation.to, id);
            if !seen.contains(&key) {
                seen.push(key);
                records.extend(record(call.team, id, style));
            }
        }
    }
    Ok(Some(records))
}

type Reader = fn(&Team, &str, Style<'_>) -> Option<String>;

/// The function that reads a record of a kind, and the plural in its scope.
fn reader(kind: &str) -> Option<(&'static str, Reader)> {
    fn of<R: Resource>(team: &Team, id: &str, style: Style<'_>) -> Option<String> {
        R::find(team, id).map(|row| render::<R>(row, style))
    }
    let reader: (&'static str, Reader) = match kind {
        "account" => ("accounts", of::<Accounts>),
        "emailAddress" => ("emailAddresses", of::<EmailAddresses>),
        "mailbox" => ("mailboxes", of::<Mailboxes>),
        "phoneNumber" => ("phoneNumbers", of::<PhoneNumbers>),
        "prospect" => ("prospects", of::<Prospects>),
        "sequence" => ("sequences", of::<Sequences>),
        "sequenceState" => ("sequenceStates", of::<SequenceStates>),
        "sequenceStep" => ("sequenceSteps", of::<SequenceSteps>),
        "sequenceTemplate" => ("sequenceTemplates", of::<SequenceTemplates>),
        "stage" => ("stages", of::<Stages>),
        "task" => ("tasks", of::<Tasks>),
        "template" => ("templates", of::<Templates>),
        "user" => ("users", of::<Users>),
        _ => return None,
    };
    Some(reader)
}

//! Writing of accounts.

use serde_json::Value as Json;

use super::Call;
use super::accounts::{Accounts, UNMODELED};
use super::body::{Fields, flag, id, text, texts, unknown};
use super::custom_fields;
use super::extras::{native, set_native};
use super::list::written;
use super::refusal::{Answer, Refusal};
use super::resource::Resource;
use super::upsert;
use crate::world::account::Account;
use crate::world::contact::State;

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::read(call);
    let id = insert(call, &fields)?;
    written::<Accounts>(call, call.created_status(), &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::read(call);
    if call.team.salesloft.switches.account_updates_need_name {
        fields.required("name")?;
        fields.required("domain")?;
    }
    let id = call.id.to_owned();
    replace(call, &fields, &id)?;
    written::<Accounts>(call, 200, &id)
}

/// Deleting an account again is no error. Its people lose it.
pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if call.team.accounts.get(call.id).is_none() {
        return Err(call.not_found());
    }
    // An error means that it is gone already.
    let _ = call.team.delete_account(call.id);
    Ok(Answer::nothing())
}

/// Updates the account that `upsert_key` finds, or creates one. Without a key it always creates.
pub(super) fn upsert(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::read(call);
    let (done, id) = match matching(call, &fields)? {
        Some(id) => {
            replace(call, &fields, &id)?;
            ("update", id)
        }
        None => ("create", insert(call, &fields)?),
    };
    upsert::answer::<Accounts>(call, "account", (done, &id))
}

fn matching(call: &Call<'_>, fields: &Fields) -> Result<Option<String>, Refusal> {
    let Some((key, wanted)) = upsert::key(fields, &["id", "crm_id", "domain"])? else {
        return Ok(None);
    };
    let accounts = call.team.accounts.listed();
    let found = accounts.filter(|account| match key {
        "id" => account.id == wanted,
        "crm_id" => {
            let known = native(&account.custom_fields, "crm_id");
            known.and_then(Json::as_str) == Some(wanted.as_str())
        }
        _ => has_domain(account, &wanted),
    });
    upsert::only(found.map(|account| account.id.as_str()), key, "accounts")
}

fn insert(call: &mut Call<'_>, fields: &Fields) -> Result<String, Refusal> {
    fields.required("name")?;
    fields.required("domain")?;
    let mut account = call.team.blank_account(call.now);
    account.stage_id = None;
    account.owner_id = Some(call.access.user_id.clone());
    account.creator_id = Some(call.access.user_id.clone());
    apply(call, fields, &mut account)?;
    check(call, &account)?;
    let id = account.id.clone();
    call.team.accounts.insert(account);
    Ok(id)
}

fn replace(call: &mut Call<'_>, fields: &Fields, id: &str) -> Result<(), Refusal> {
    let account = Accounts::find(call.team, id);
    let mut account = account.cloned().ok_or_else(|| call.not_found())?;
    apply(call, fields, &mut account)?;
    check(call, &account)?;
    let forbidden = native(&account.custom_fields, "do_not_contact");
    let forbidden = forbidden.and_then(Json::as_bool) == Some(true);
    call.team.replace_account(call.now, account);
    if forbidden {
        take_off_cadences(call, id);
    }
    Ok(())
}

/// The people of an account that must not be contacted leave all cadences.
fn take_off_cadences(call: &mut Call<'_>, account_id: &str) {
    let now = call.now;
    let people = call.team.contacts.listed();
    let concerned = people.filter(|person| {
        person.account_id.as_deref() == Some(account_id) && person.states.iter().any(State::is_in)
    });
    let concerned: Vec<String> = concerned.map(|person| person.id.clone()).collect();
    for id in concerned {
        call.team.contacts.edit(&id, |person| {
            let states = person.states.iter_mut().filter(|state| state.is_in());
            states.for_each(|state| state.leave(now, "do not contact"));
            person.updated_at = now;
        });
    }
}

fn check(call: &Call<'_>, account: &Account) -> Result<(), Refusal> {
    let Some(domain) = &account.domain else {
        return Ok(());
    };
    let others = call.team.accounts.listed();
    let mut others = others.filter(|other| other.id != account.id);
    if others.any(|other| has_domain(other, domain)) {
        return Err(Refusal::field("domain", "has already been taken"));
    }
    Ok(())
}

fn has_domain(account: &Account, domain: &str) -> bool {
    let known = account.domain.as_deref();
    known.is_some_and(|known| known.eq_ignore_ascii_case(domain))
}

fn apply(call: &Call<'_>, fields: &Fields, account: &mut Account) -> Result<(), Refusal> {
    for (name, value) in fields.iter() {
        match name {
            "name" => account.name = fields.required(name)?,
            "domain" => account.domain = text(name, value)?.map(|domain| domain.to_lowercase()),
            "phone" => account.phone = text(name, value)?,
            "tags" => account.label_ids = texts(name, value)?,
            "archived" => {
                let archived = flag(name, value)?;
                if archived != account.archived_at.is_some() {
                    account.archived_at = archived.then_some(call.now);
                }
            }
            "owner_id" => {
                let owner = id(name, value)?;
                if owner.as_deref().is_some_and(|id| !call.team.has_user(id)) {
                    return Err(Refusal::field("owner", "must exist"));
                }
                account.owner_id = owner;
            }
            "company_stage_id" => {
                let stage = id(name, value)?;
                let mut known = call.team.account_stages.iter();
                if stage.is_some() && !known.any(|known| Some(&known.id) == stage.as_ref()) {
                    return Err(Refusal::field("company_stage", "must exist"));
                }
                account.stage_id = stage;
            }
            "custom_fields" => {
                custom_fields::set(call, "account", &mut account.custom_fields, value)?;
            }
            "crm_id" => {
                call.require_scope("crm_id_account:write")?;
                set_native(&mut account.custom_fields, name, value);
            }
            "upsert_key" | "crm_id_type" | "id" => {}
            other if UNMODELED.contains(&other) => {
                set_native(&mut account.custom_fields, other, value);
            }
            other => unknown(call, other)?,
        }
    }
    Ok(())
}

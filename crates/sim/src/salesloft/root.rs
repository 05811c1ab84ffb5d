//! The caller and their team.

use super::Call;
use super::record::Record;
use super::refusal::{Answer, Refusal};
use super::resource::render;

pub(super) fn me(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let user = call.team.users.get(&call.access.user_id);
    let user = user.ok_or_else(Refusal::bad_token)?;
    Ok(Answer::record(200, &render(user)))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every handler has the same signature"
)]
pub(super) fn team(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let team = &call.team;
    let users = team.users.all();
    let since = users.first().map(|user| user.created_at);
    let mut record = Record::new(&team.id);
    record
        .maybe_time("created_at", since)
        .maybe_time("updated_at", since)
        .text("name", &team.name)
        .text("plan", "enterprise")
        .raw("plan_features", "{}")
        .flag("deactivated", false)
        .number("license_limit", users.len())
        .number("email_daily_limit", 1_000)
        .text("group_privacy_setting", "everyone")
        .flag("call_recording_disabled", false)
        .flag("team_visibility_all", true);
    Ok(Answer::record(200, &record.finish()))
}

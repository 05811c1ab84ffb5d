//! `email_accounts`: all mailboxes in one answer.

use super::Call;
use super::page::around;
use super::refusal::{Answer, Refusal};
use crate::world::table::Order;

pub(crate) fn index(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let positions = call.team.mailboxes.ordered(Order::Created);
    let rows: Vec<_> = positions
        .iter()
        .map(|&at| call.team.mailboxes.json_at(at))
        .collect();
    Ok(around(r#"{"email_accounts":["#, &rows, "]}"))
}

//! `email_accounts`: all mailboxes in one answer.

use super::page::around;
use super::refusal::{Answer, Refusal};
use super::{Call, distortion};
use crate::world::table::Order;

pub(crate) fn index(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let positions = call.team.mailboxes.ordered(Order::Created);
    let table = &mut call.team.mailboxes;
    let rows = distortion::rows(table, positions.iter().copied(), call.distortion);
    Ok(around(r#"{"email_accounts":["#, &rows, "]}"))
}

//! Lists: filters, sorts, pages and their metadata; and reads of one record.

use bytes::{Bytes, BytesMut};
use serde_json::Value as Json;

use super::Call;
use super::distortion;
use super::filter::Filters;
use super::page::Page;
use super::query::Query;
use super::refusal::{Answer, Refusal};
use super::resource::{Item as _, Resource, number, render};
use super::value::Key;
use crate::fault::Action;
use crate::json::Object;
use crate::world::Team;

/// The requested order.
#[derive(Debug)]
struct Order {
    by: String,
    descends: bool,
}

pub(super) fn list<R: Resource>(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let switches = &call.team.salesloft.switches;
    let last = switches.bad_gateway_from_page;
    if last.is_some_and(|last| call.query.page() >= last) {
        return Err(Refusal::bad_gateway());
    }
    let order = Order::read::<R>(call.query)?;
    let whole = R::WHOLE_WITHOUT_PAGE && switches.unpaged_lists;
    let page = distortion::sized(Page::read(call.query, whole), call.distortion);
    let filters = Filters::read::<R>(call.query, switches)?;
    let team: &Team = call.team;
    let kept = R::rows(team, call.query).filter(|row| filters.keeps::<R>(*row));
    let keyed = kept.map(|row| (row.value(&order.by).sort_key(), number(row.id()), row));
    let mut rows: Vec<(Key, i64, R::Row<'_>)> = keyed.collect();
    let turned = matches!(call.distortion, Some(Action::TurnedRound));
    rows.sort_unstable_by(|a, b| {
        let ascending = (&a.0, a.1).cmp(&(&b.0, b.1));
        if order.descends == turned {
            ascending
        } else {
            ascending.reverse()
        }
    });
    let shown = distortion::places(page.cut(rows.len()), rows.len(), call.distortion);
    let shown = shown.filter_map(|at| Some(rows.get(at)?.2));
    let jsons = shown.map(|row| {
        let cached = R::cached(team, row.id());
        (row.id(), cached.unwrap_or_else(|| Bytes::from(render(row))))
    });
    let jsons = distortion::rows(jsons, call.distortion);
    let total = distortion::claimed(rows.len(), call.distortion);
    let paging = page.told(call.query, total, distortion::goes_on(call.distortion));
    let mut metadata = Object::new();
    metadata.raw("filtering", &Json::Object(filters.echo).to_string());
    if let Some(paging) = paging {
        metadata.raw("paging", &paging);
    }
    metadata.raw("sorting", &order.told());
    Ok(document(&metadata.finish(), &jsons))
}

/// `GET …/{id}`
pub(super) fn show<R: Resource>(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    written::<R>(call, 200, call.id)
}

/// An answer with the whole record.
pub(super) fn written<R: Resource>(
    call: &Call<'_>,
    status: u16,
    id: &str,
) -> Result<Answer, Refusal> {
    let row = R::find(call.team, id).ok_or_else(|| call.not_found())?;
    Ok(Answer::record(status, &render(row)))
}

impl Order {
    fn read<R: Resource>(query: &Query) -> Result<Self, Refusal> {
        let by = match query.text("sort_by") {
            Some(by) if R::SORTS.contains(&by) => by,
            Some(_) => return Err(Refusal::field("sort_by", "is invalid")),
            None => R::SORTS.first().copied().unwrap_or("id"),
        };
        let descends = match query.text("sort_direction") {
            Some(text) if text.eq_ignore_ascii_case("asc") => false,
            Some(text) if text.eq_ignore_ascii_case("desc") => true,
            Some(_) => return Err(Refusal::field("sort_direction", "is invalid")),
            None => !R::ASCENDS,
        };
        Ok(Self {
            by: by.to_owned(),
            descends,
        })
    }

    fn told(&self) -> String {
        let direction = if self.descends {
            "DESC NULLS LAST"
        } else {
            "ASC NULLS FIRST"
        };
        let mut o = Object::new();
        o.text("sort_by", &self.by)
            .text("sort_direction", direction);
        o.finish()
    }
}

/// `{"metadata": …, "data": […]}`
fn document(metadata: &str, rows: &[Bytes]) -> Answer {
    let size = rows.iter().map(|row| row.len() + 1).sum::<usize>();
    let mut body = BytesMut::with_capacity(size + metadata.len() + 64);
    body.extend_from_slice(b"{\"metadata\":");
    body.extend_from_slice(metadata.as_bytes());
    body.extend_from_slice(b",\"data\":[");
    for (n, row) in rows.iter().enumerate() {
        if n > 0 {
            body.extend_from_slice(b",");
        }
        body.extend_from_slice(row);
    }
    body.extend_from_slice(b"]}");
    Answer {
        status: 200,
        body: body.freeze(),
        records: rows.len(),
    }
}

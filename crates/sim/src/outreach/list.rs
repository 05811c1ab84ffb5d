//! Lists: filters, sorts, pages with links to their neighbours, and included records.

use bytes::{Bytes, BytesMut};

use super::Call;
use super::cursor::{Order, Position};
use super::distortion;
use super::filter::Filters;
use super::page::Page;
use super::query::Query;
use super::refusal::{Answer, Refusal};
use super::related::included;
use super::resource::{Item as _, Resource, listed, number};
use super::switches::ListOrder;
use super::value::{Key, Kind};
use crate::fault::Action;
use crate::json::Object;
use crate::world::Team;

/// The largest count; beyond it, `count_truncated` is true.
const LARGEST_COUNT: usize = 2_000_000;

/// With the switch `jitter`, milliseconds by which a list exceeds the upper bound of `updatedAt`.
const BEYOND_BOUND: i64 = 60_000;

pub(super) fn list<R: Resource>(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let switches = &call.team.org.switches;
    let mut order = order::<R>(call.query, switches.default_order)?;
    if matches!(call.distortion, Some(Action::TurnedRound)) {
        order.turn_round();
    }
    let page = Page::read(call.query, switches, &order)?;
    let page = distortion::sized(page, call.distortion);
    let mut filters = Filters::read::<R>(call.query, switches)?;
    if switches.jitter
        && let Some(Key::Number(to)) = filters.updated_to()
    {
        *to += BEYOND_BOUND;
    }
    let fields = call.query.fields(R::SCHEMA.kind);
    let style = call.style(fields.as_deref());
    let team: &Team = call.team;
    let kept = R::rows(team).filter(|row| filters.keeps::<R>(team, *row));
    let mut rows: Vec<(Position, R::Row<'_>)> =
        kept.map(|row| (position::<R>(&order, row), row)).collect();
    rows.sort_unstable_by(|a, b| order.compare(&a.0, &b.0));
    let too_large = switches.bad_gateway_above;
    if too_large.is_some_and(|most| page.size > most && rows.len() > most) {
        return Err(Refusal::bad_gateway());
    }
    let cut = page.cut(&rows, &order);
    let shown = distortion::positions(cut.clone(), rows.len(), call.distortion);
    let shown: Vec<R::Row<'_>> = shown.filter_map(|at| Some(rows.get(at)?.1)).collect();
    let included = included::<R>(call, &shown)?;
    let jsons = shown
        .iter()
        .map(|row| (row.id(), listed::<R>(team, *row, style)));
    let mut jsons = distortion::rows(jsons, call.distortion);
    if switches.jitter {
        let half = jsons.len() / 2;
        jsons.rotate_left(half);
    }
    let links = links(call, &page, &order, &rows, cut);
    Ok(document(call, &jsons, rows.len(), links, included))
}

/// `GET …/{id}`
pub(super) fn show<R: Resource>(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = call.query.fields(R::SCHEMA.kind);
    let style = call.style(fields.as_deref());
    if R::hidden(call.team, call.id) {
        return Err(Refusal::not_for_you());
    }
    let Some(row) = R::find(call.team, call.id) else {
        return Err(Refusal::no_such_record(R::SCHEMA.kind, call.id));
    };
    let record = super::resource::render::<R>(row, style);
    let included = included::<R>(call, &[row])?;
    let mut o = Object::with_capacity(record.len() + 64);
    o.raw("data", &record);
    if let Some(included) = included {
        o.list("included", &included);
    }
    Ok(Answer::of(200, o.finish(), 1))
}

/// The answer of a write: the whole record.
pub(super) fn written<R: Resource>(
    call: &Call<'_>,
    status: u16,
    id: &str,
) -> Result<Answer, Refusal> {
    let Some(row) = R::find(call.team, id) else {
        return Err(Refusal::no_such_record(R::SCHEMA.kind, id));
    };
    let record = super::resource::render::<R>(row, call.style(None));
    Ok(Answer::record(status, &record))
}

fn order<R: Resource>(query: &Query, default: ListOrder) -> Result<Order, Refusal> {
    let schema = R::SCHEMA;
    let mut order = Order {
        controller: schema.controller,
        text: query.text("sort").unwrap_or_default().to_owned(),
        by: Vec::new(),
        id_descends: false,
    };
    let words = query.words("sort");
    if words.is_empty() {
        if default == ListOrder::UpdatedDescending && schema.field("updatedAt").is_some() {
            order.by.push(("updatedAt", Kind::Time, true));
        }
        return Ok(order);
    }
    for word in words {
        let (name, descends) = match word.strip_prefix('-') {
            Some(name) => (name, true),
            None => (word, false),
        };
        match schema.field(name).filter(|field| field.sorts) {
            Some(field) if field.name == "id" => {
                // Ids are unique, so what follows makes no difference.
                order.id_descends = descends;
                break;
            }
            Some(field) => order.by.push((field.name, field.kind, descends)),
            None => {
                let detail = format!("Sorting by '{name}' is not supported.");
                return Err(Refusal::invalid_parameter(&detail));
            }
        }
    }
    Ok(order)
}

fn position<R: Resource>(order: &Order, row: R::Row<'_>) -> Position {
    let keys = order.by.iter();
    let keys = keys.map(|(name, ..)| row.value(name).sort_key());
    (keys.collect(), number(row.id()))
}

/// The links to other pages; none if nothing matches.
fn links<T>(
    call: &Call<'_>,
    page: &Page,
    order: &Order,
    rows: &[(Position, T)],
    cut: std::ops::Range<usize>,
) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let mut links = Object::with_capacity(1_024);
    let total = rows.len();
    if page.is_by_offset() {
        let at = |offset: usize| call.link(&page.at_offset(offset));
        links.text("first", &at(0));
        if cut.start > 0 {
            links.text("prev", &at(cut.start.saturating_sub(page.size)));
        }
        if cut.end < total {
            links.text("next", &at(cut.end));
        }
        links.text("last", &at((total - 1) / page.size * page.size));
        return Some(links.finish());
    }
    let cursor = |at: usize| rows.get(at).map(|(position, _)| order.cursor(position));
    links.text("first", &call.link(&[]));
    if let Some(cursor) = cursor(cut.start).filter(|_| cut.start > 0) {
        links.text("prev", &call.link(&[("page[before]", cursor)]));
    }
    let last = cut.end.checked_sub(1).and_then(cursor);
    if cut.end < total
        && let Some(cursor) = last
    {
        links.text("next", &call.link(&[("page[after]", cursor)]));
    } else if distortion::goes_on(call.distortion) {
        links.text("next", &call.link(&[]));
    }
    Some(links.finish())
}

/// `{"data": […], "meta": …, "links": …, "included": …}`
fn document(
    call: &Call<'_>,
    rows: &[Bytes],
    total: usize,
    links: Option<String>,
    included: Option<Vec<String>>,
) -> Answer {
    let total = distortion::claimed(total, call.distortion);
    let mut meta = Object::new();
    if total == 0 || call.query.flag("count") {
        meta.number("count", total.min(LARGEST_COUNT))
            .flag("count_truncated", total > LARGEST_COUNT);
    } else {
        meta.null("count").flag("count_truncated", false);
    }
    let size = rows.iter().map(|row| row.len() + 1).sum::<usize>();
    let mut body = BytesMut::with_capacity(size + 2_048);
    body.extend_from_slice(b"{\"data\":[");
    for (n, row) in rows.iter().enumerate() {
        if n > 0 {
            body.extend_from_slice(b",");
        }
        body.extend_from_slice(row);
    }
    body.extend_from_slice(b"],\"meta\":");
    body.extend_from_slice(meta.finish().as_bytes());
    if let Some(links) = links.filter(|_| total > 0) {
        body.extend_from_slice(b",\"links\":");
        body.extend_from_slice(links.as_bytes());
    }
    if let Some(included) = included {
        body.extend_from_slice(b",\"included\":[");
        body.extend_from_slice(included.join(",").as_bytes());
        body.extend_from_slice(b"]");
    }
    body.extend_from_slice(b"}");
    Answer {
        status: 200,
        body: body.freeze(),
        records: rows.len(),
    }
}

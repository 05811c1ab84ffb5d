//! Faults of the provider, drawn at random.

use syncline_model::Object;
use syncline_sim::{Action, Claim, Team, Window};

use crate::{
    dice::Dice,
    provider::SimulatedProvider,
    wire::{Armed, Asked, FalseAnswer, Wire},
    world::World,
};

const NO_PLAN: &str = r#"{"error":"This is not accessible with this api_key on a free plan. Please upgrade your plan.","error_code":"API_INACCESSIBLE"}"#;

/// Arms one fault and returns its description.
pub(crate) fn arm(wire: &Wire, dice: &mut Dice, object: Object, team: usize) -> String {
    let provider = wire.world.provider;
    let object = provider.carrier_of(object);
    let by_id = provider.has_lookup(object) && dice.chance(2_000);
    let on = if provider.client.is_some() && dice.chance(1_000) {
        Asked::Token
    } else if by_id {
        Asked::Get(object)
    } else {
        Asked::List(object)
    };
    let is_list = matches!(on, Asked::List(_));
    let (action, lie) = match dice.below(if is_list { 20 } else { 11 }) {
        0..8 => (refusal(dice, provider), None),
        8..11 => (Action::InvalidResponse, None),
        _ => distortion(&wire.world, dice, object, team),
    };
    let pages = dice.one(&[1, 1, 2, 3, 5]);
    let armed = Armed {
        on,
        page: (is_list && dice.chance(6_000)).then_some(pages),
        times: match lie {
            Some(_) => dice.one(&[1, 1, 1, 2, 4]),
            None => dice.one(&[1, 1, 2, 3, 7]),
        },
        action,
        lie,
    };
    let told = format!(
        "{:?} page {:?} {} times: {}",
        armed.on,
        armed.page,
        armed.times,
        named(&armed.action)
    );
    wire.arm(armed);
    told
}

/// An answer that is not a page.
fn refusal(dice: &mut Dice, provider: &SimulatedProvider) -> Action {
    let answer = |status, body: &str| Action::Answer {
        status,
        content_type: "application/json; charset=utf-8".to_owned(),
        body: body.to_owned(),
    };
    match dice.below(12) {
        0 => Action::server_error(),
        1 => Action::bad_gateway(),
        2 => Action::unavailable(),
        3 => Action::AppliedThenServerError,
        4..7 => Action::RateLimited {
            window: dice.one(&[Window::Minute, Window::Minute, Window::Hour, Window::Day]),
            retry_after: dice.one(&[None, Some(1), Some(20), Some(90), Some(1_500)]),
        },
        7 => Action::AlreadyProcessing,
        8 => Action::KeyRevoked,
        9 => Action::forbidden(),
        10 => answer(403, NO_PLAN),
        _ => answer(404, provider.no_route),
    }
}

/// A page that differs from the real records. Lists without an order and a total are only emptied,
/// because the engine can't detect other distortions of them.
fn distortion(
    world: &World,
    dice: &mut Dice,
    object: Object,
    team: usize,
) -> (Action, Option<FalseAnswer>) {
    let provider = world.provider;
    let kind = if provider.is_bare(object) {
        0
    } else {
        dice.below(19)
    };
    let action = match kind {
        9..12 => return (Action::Claim(claim(dice)), Some(FalseAnswer::Numbers)),
        12..15 => return (disorder(dice), Some(FalseAnswer::Order)),
        15..19 => Action::PageOf(dice.one(&provider.oversized())),
        0 | 1 => return (Action::EmptyList, Some(FalseAnswer::Nothing)),
        2 => Action::EmptyPage,
        3 => Action::RepeatPreviousPage,
        4 => Action::RepeatPage(dice.one(&[1, 2, 3])),
        5 => Action::EndlessPages,
        // One invented record and one left out would give a total that looks right.
        7 | 8 if world.hides_records => Action::HideRecords(some_ids(world, dice, object, team)),
        _ => Action::record_without_id(),
    };
    (action, Some(FalseAnswer::Otherwise))
}

/// The real records, in another order than requested.
fn disorder(dice: &mut Dice) -> Action {
    if dice.chance(5_000) {
        Action::TurnedRound
    } else {
        Action::Unordered
    }
}

/// Wrong numbers of records and pages.
fn claim(dice: &mut Dice) -> Claim {
    let told = |number: &str| Claim::told(number, number);
    match dice.below(9) {
        0 | 1 => Claim::OwnLength,
        2 => Claim::SoFar,
        3 => told("0"),
        4 => told("1"),
        5 => told("null"),
        6 => told("\"100\""),
        7 => told("9223372036854775807"),
        _ => told(""),
    }
}

fn some_ids(world: &World, dice: &mut Dice, object: Object, team: usize) -> Vec<String> {
    let live = world.read(team, |team: &Team| match object {
        Object::SequenceState => {
            let contacts = team.live_ids(Object::Contact.as_str()).into_iter();
            contacts.flat_map(|id| team.state_ids_of(&id)).collect()
        }
        object => team.live_ids(object.as_str()),
    });
    let count = dice.one(&[1, 3, 40]);
    (0..count)
        .filter_map(|_| dice.pick(&live).cloned())
        .collect()
}

fn named(action: &Action) -> String {
    match action {
        Action::HideRecords(ids) => format!("HideRecords of {}", ids.len()),
        Action::Answer { status, .. } => format!("Answer {status}"),
        Action::InsertRecord(_) => "InsertRecord".to_owned(),
        other => format!("{other:?}"),
    }
}

//! Reading of sequence states. Writing is in [`enrolment`](super::enrolment).

use bytes::Bytes;

use super::record::Record;
use super::resource::{Item, Resource, Schema, fs, to, to_by};
use super::value::{Kind, Value};
use crate::world::Team;
use crate::world::contact::{Contact, State, StateKind};
use crate::world::table::Row as _;

/// The pause reason of a state whose sequence is not active.
pub(super) const SEQUENCE_OFF: &str = "Sequence inactive";

#[derive(Debug)]
pub(super) struct SequenceStates;

/// A state with its prospect.
#[derive(Debug, Clone, Copy)]
pub(super) struct StateRow<'t> {
    pub(super) contact: &'t Contact,
    pub(super) state: &'t State,
}

impl Resource for SequenceStates {
    type Row<'t> = StateRow<'t>;

    const SCHEMA: Schema = Schema {
        kind: "sequenceState",
        plural: "sequenceStates",
        controller: "SequenceStates",
        fields: &[
            fs("callCompletedAt", Kind::Time),
            fs("createdAt", Kind::Time),
            fs("repliedAt", Kind::Time),
            fs("stateChangedAt", Kind::Time),
            fs("updatedAt", Kind::Time),
            fs("pauseReason", Kind::Text),
            fs("state", Kind::Text),
            fs("clickCount", Kind::Number),
            fs("deliverCount", Kind::Number),
            fs("openCount", Kind::Number),
            fs("replyCount", Kind::Number),
        ],
        relations: &[
            to("account", "account"),
            to_by("mailbox", "mailbox", &["id", "email"]),
            to_by("prospect", "prospect", &["id", "emails"]),
            to_by(
                "sequence",
                "sequence",
                &[
                    "id",
                    "name",
                    "createdAt",
                    "updatedAt",
                    "enabledAt",
                    "shareType",
                ],
            ),
            to_by(
                "sequenceStep",
                "sequenceStep",
                &["id", "createdAt", "updatedAt", "stepType"],
            ),
            to("user", "user"),
            to("creator", "user"),
        ],
    };

    fn rows(team: &Team) -> impl Iterator<Item = StateRow<'_>> {
        let seen = team.contacts.seen().flat_map(states_of);
        let stay = !team.org.switches.prospect_delete_takes_states;
        let dead = team.contacts.all().iter();
        let dead = dead.filter(move |contact| stay && !contact.listed());
        seen.chain(dead.flat_map(states_of))
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<StateRow<'t>> {
        let stay = !team.org.switches.prospect_delete_takes_states;
        let contacts = team.contacts.all().iter();
        let contacts = contacts.filter(|contact| stay || contact.listed());
        let mut states = contacts.flat_map(states_of);
        states.find(|row| row.state.id == id)
    }

    /// Only those with a value of the wrong type.
    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        team.misshapen_state(id).map(Bytes::from)
    }

    /// The states of a hidden prospect are hidden too.
    fn hidden(team: &Team, id: &str) -> bool {
        let row = Self::find(team, id);
        row.is_some_and(|row| team.contacts.is_hidden(&row.contact.id))
    }
}

impl<'t> Item<'t> for StateRow<'t> {
    fn id(self) -> &'t str {
        &self.state.id
    }

    fn value(self, name: &str) -> Value<'t> {
        let state = self.state;
        match name {
            "createdAt" => Value::Time(state.added_at),
            "updatedAt" => Value::Time(state.updated_at),
            "stateChangedAt" => Value::Time(state.changed_at),
            "repliedAt" => Value::time(has_replied(state).then_some(state.changed_at)),
            "pauseReason" => Value::text(pause_reason(state)),
            "state" => Value::Text(word(state)),
            "deliverCount" => Value::count(state.step_position.unwrap_or(0)),
            "replyCount" => Value::count(usize::from(has_replied(state))),
            "clickCount" | "openCount" => Value::Number(0),
            _ => Value::Null,
        }
    }

    fn related(self, name: &str) -> Vec<&'t str> {
        let state = self.state;
        let id = match name {
            "account" => self.contact.account_id.as_deref(),
            "mailbox" => state.mailbox_id.as_deref(),
            "prospect" => Some(self.contact.id.as_str()),
            "sequence" => Some(state.sequence_id.as_str()),
            "sequenceStep" => state.step_id.as_deref(),
            "user" => state.send_from_user.as_deref(),
            "creator" => state.added_by.as_deref(),
            _ => None,
        };
        id.into_iter().collect()
    }

    fn write(self, record: &mut Record<'_>) {
        let StateRow { contact, state } = self;
        let (replied, bounced) = (has_replied(state), word(state) == "bounced");
        record
            .maybe_time(
                "activeAt",
                (word(state) != "pending").then_some(state.added_at),
            )
            .number("bounceCount", usize::from(bounced))
            .nulls(&["callCompletedAt"])
            .number("clickCount", 0)
            .time("createdAt", state.added_at)
            .number("deliverCount", state.step_position.unwrap_or(0))
            .maybe("errorReason", state.failure_reason)
            .number("failureCount", 0)
            .number("negativeReplyCount", 0)
            .number("neutralReplyCount", 0)
            .number("openCount", 0)
            .number("optOutCount", usize::from(word(state) == "opted_out"))
            .maybe("pauseReason", pause_reason(state))
            .number("positiveReplyCount", 0)
            .maybe_time("repliedAt", replied.then_some(state.changed_at))
            .number("replyCount", usize::from(replied))
            .number("scheduleCount", 0)
            .text("state", word(state))
            .time("stateChangedAt", state.changed_at)
            .time("updatedAt", state.updated_at)
            .relate_one("account", "account", contact.account_id.as_deref())
            .relate_one("creator", "user", state.added_by.as_deref())
            .relate_one("mailbox", "mailbox", state.mailbox_id.as_deref())
            .relate_one("opportunity", "opportunity", None)
            .relate_one("prospect", "prospect", Some(&contact.id))
            .relate_one("sequence", "sequence", Some(&state.sequence_id))
            .relate_one("sequenceStep", "sequenceStep", state.step_id.as_deref())
            .relate_one("user", "user", state.send_from_user.as_deref())
            .links_to(&[
                ("calls", "calls"),
                ("mailings", "mailings"),
                ("tasks", "tasks"),
            ]);
    }
}

fn states_of(contact: &Contact) -> impl Iterator<Item = StateRow<'_>> {
    let states = contact.states.iter();
    states.map(move |state| StateRow { contact, state })
}

/// Outreach's name of the state.
pub(super) fn word(state: &State) -> &'static str {
    let reason = state.inactive_reason.as_deref();
    match state.status {
        StateKind::Active => "active",
        StateKind::Paused if reason == Some(SEQUENCE_OFF) => "pending",
        StateKind::Paused => "paused",
        StateKind::Finished => "finished",
        StateKind::Failed => match (reason, state.failure_reason) {
            (Some("opted_out"), _) => "opted_out",
            (Some("disabled"), _) => "disabled",
            (_, Some("bounced" | "hard_bounced")) => "bounced",
            _ => "failed",
        },
    }
}

/// Whether the state is one of a prospect's `activeSequenceStates`.
pub(super) fn is_open(state: &State) -> bool {
    !matches!(word(state), "finished" | "opted_out")
}

fn pause_reason(state: &State) -> Option<&str> {
    let reason = state.inactive_reason.as_deref();
    reason.filter(|_| word(state) == "paused")
}

fn has_replied(state: &State) -> bool {
    state.inactive_reason.as_deref() == Some("replied")
}

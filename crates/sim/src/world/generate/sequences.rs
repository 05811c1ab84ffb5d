//! Generates sequences with their steps and statistics.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::world::sequence::Sequence;
use crate::world::step::{Step, Template, Touch};
use crate::world::{Team, names};

impl Team {
    pub(super) fn add_generated_sequence(
        &mut self,
        n: usize,
        start: DateTime<Utc>,
        epoch: DateTime<Utc>,
        loading: u32,
    ) {
        let created = self.dice.instant(start, epoch - TimeDelta::days(14));
        let base = names::SEQUENCE
            .get(n % names::SEQUENCE.len())
            .copied()
            .unwrap_or_default();
        let name = match n / names::SEQUENCE.len() {
            0 => base.to_owned(),
            round => format!("{base} ({})", round + 1),
        };
        let mut sequence = self.draft_sequence(created, &name);
        sequence.active = !matches!(n % 6, 4 | 5);
        sequence.enabled_at = sequence.active.then_some(created);
        sequence.archived = n % 6 == 5;
        sequence.loading_reads = if n % 3 == 1 { loading } else { 0 };
        if n != 8 {
            let used = self.dice.instant(created, epoch);
            sequence.last_used_at = Some(used);
            sequence.updated_at = used;
            sequence.stats = self.stats();
        }
        self.sequences.insert(sequence);
    }

    fn stats(&mut self) -> [u32; 10] {
        let delivered = u32::try_from(self.dice.below(2_000)).unwrap_or(0);
        let mut share = |percent: u32| {
            let chance = u32::try_from(self.dice.below(1_000)).unwrap_or(0);
            delivered * percent * chance / 100_000
        };
        [
            share(10),
            delivered,
            share(5),
            share(60),
            share(3),
            share(2),
            share(12),
            share(3),
            share(15),
            share(4),
        ]
    }

    pub(in crate::world) fn draft_sequence(
        &mut self,
        created_at: DateTime<Utc>,
        name: &str,
    ) -> Sequence {
        let user_id = self.any_user_id();
        let label_ids = Vec::new();
        let kinds = [
            "auto_email",
            "call",
            "auto_email",
            "manual_email",
            "linkedin_step_connect",
            "action_item",
        ];
        let steps = 2 + self.dice.below(5);
        let steps = kinds.iter().cycle().take(steps).enumerate();
        let steps = steps
            .map(|(n, kind)| self.draft_step(created_at, n, kind))
            .collect();
        Sequence {
            id: self.mint(created_at),
            shuffle: self.shuffle(),
            name: name.to_owned(),
            active: true,
            archived: false,
            private: false,
            deleted: false,
            loading_reads: 0,
            created_at,
            updated_at: created_at,
            enabled_at: Some(created_at),
            last_used_at: None,
            user_id,
            schedule_id: self.mint(created_at),
            ruleset_id: self.mint(created_at),
            label_ids,
            stats: [0; 10],
            extras: BTreeMap::new(),
            steps,
        }
    }

    fn draft_step(&mut self, created_at: DateTime<Utc>, n: usize, kind: &'static str) -> Step {
        let by_email = kind.ends_with("_email");
        let touches = by_email.then(|| self.draft_touch(created_at, n == 0));
        let (wait_time, wait_mode) = match n {
            0 => (30, "minute"),
            1 => (4, "hour"),
            _ => (self.dice.between(2, 5), "day"),
        };
        Step {
            id: self.mint(created_at),
            position: n + 1,
            kind,
            wait_time,
            wait_mode,
            exact_datetime: None,
            note: (!by_email).then(|| "Mention the case study".to_owned()),
            created_at,
            updated_at: created_at,
            extras: BTreeMap::new(),
            touches: touches.into_iter().collect(),
        }
    }

    fn draft_touch(&mut self, created_at: DateTime<Utc>, opens_thread: bool) -> Touch {
        let id = self.mint(created_at);
        let template_id = self.mint(created_at);
        let subject = self.dice.word(names::SUBJECT);
        let body = "<div>Hi {{first_name}}, do you have a quarter of an hour this week?</div>";
        self.templates.insert(Template {
            name: Some(subject.to_owned()),
            owner_id: self.caller_id(),
            subject: Some(subject.to_owned()),
            body_html: Some(body.to_owned()),
            ..Template::blank(template_id.clone(), created_at)
        });
        Touch {
            id,
            template_id,
            opens_thread,
            enabled: true,
            created_at,
            updated_at: created_at,
        }
    }
}

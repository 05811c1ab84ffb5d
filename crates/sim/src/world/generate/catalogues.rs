//! The stages, labels and custom fields of a new team.

use chrono::{DateTime, TimeDelta, Utc};

use crate::world::catalogue::{Field, Label, Stage};
use crate::world::{Team, names};

impl Team {
    pub(super) fn add_catalogues(&mut self, start: DateTime<Utc>) {
        for &(name, category) in names::CONTACT_STAGE {
            let id = self.mint(start);
            self.contact_stages.push(Stage {
                id,
                name,
                category,
                created_at: start,
            });
        }
        for &(name, category) in names::ACCOUNT_STAGE {
            let id = self.mint(start);
            self.account_stages.push(Stage {
                id,
                name,
                category,
                created_at: start,
            });
        }
        for (n, name) in names::LABEL.iter().enumerate() {
            let created_at = start + TimeDelta::days(20 + 31 * i64::try_from(n).unwrap_or(0));
            let id = self.mint_unless_named(created_at, name);
            self.labels.push(Label {
                id,
                name: (*name).to_owned(),
                modality: if n % 3 == 2 { "accounts" } else { "contacts" },
                created_at,
                user_id: None,
            });
        }
        let fields: [(&str, &str, &str, &[&str]); 5] = [
            (
                "contact",
                "Lead Source",
                "picklist",
                &["Organic Search", "Referral", "Trade show", "Outbound"],
            ),
            ("contact", "Renewal date", "datetime", &[]),
            ("contact", "Favourite topic", "string", &[]),
            ("contact", "Score", "number", &[]),
            ("account", "Tier", "picklist", &["A", "B", "C"]),
        ];
        for (n, (modality, name, kind, choices)) in fields.into_iter().enumerate() {
            let choices = choices
                .iter()
                .map(|&choice| (self.mint_unless_named(start, choice), choice))
                .collect();
            let id = if self.conventions.fields_have_labels {
                name.to_owned()
            } else {
                self.mint_unless_named(start, &format!("custom{}", n + 1))
            };
            self.fields.push(Field {
                id,
                modality,
                name,
                kind,
                choices,
            });
        }
    }

    /// An id; the name, if the dialect uses names as ids.
    pub(in crate::world) fn mint_unless_named(&mut self, at: DateTime<Utc>, name: &str) -> String {
        if self.conventions.names_are_ids {
            name.to_owned()
        } else {
            self.mint(at)
        }
    }
}

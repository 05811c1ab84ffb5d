//! Grants: what an agent may do. Nothing is allowed that they don't name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::action::{Access, Action};

/// The longest list of customers, and of groups and actions.
const MOST_NAMED: usize = 1_000;

/// What a key of the role `agent` may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = agent_grants)]
pub struct Grants {
    /// A level for each group of actions, such as `contacts`. Groups without one are `off`.
    pub groups: BTreeMap<String, Level>,
    /// A permission for single actions, such as `contacts.create`. It counts instead of the group's level.
    pub actions: BTreeMap<String, Permission>,
    /// The ids of the customers that the agent may act for. Null: all.
    pub customers: Option<BTreeSet<String>>,
    /// How many credits it may spend in 24 hours. Null: as many as its actions cost.
    pub credits_per_day: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = grant_level)]
pub enum Level {
    #[default]
    Off,
    /// Actions that only read, and cost no credits.
    Read,
    /// Every action that costs no credits.
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = action_permission)]
pub enum Permission {
    Off,
    Allow,
    /// A person has to approve each call.
    Ask,
}

/// What is wrong with grants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidGrant {
    /// The path of the field within the grants.
    pub field: String,
    pub reason: String,
}

impl Grants {
    /// Whether the agent may make calls of this action.
    pub fn permission(&self, action: &Action) -> Permission {
        if let Some(own) = self.actions.get(&action.name) {
            return *own;
        }
        let level = self.groups.get(action.group()).copied().unwrap_or_default();
        let is_covered = match level {
            Level::Off => false,
            Level::Read => action.access == Access::Read,
            Level::Full => true,
        };
        // Credits are spent only by who was told so by name.
        if is_covered && !action.spends_credits() {
            Permission::Allow
        } else {
            Permission::Off
        }
    }

    pub fn may_act_for(&self, customer_id: &str) -> bool {
        let customers = self.customers.as_ref();
        customers.is_none_or(|all| all.contains(customer_id))
    }

    /// Whether every name is one of these groups and actions.
    pub fn check(
        &self,
        groups: &BTreeSet<&str>,
        actions: &BTreeSet<&str>,
    ) -> Result<(), InvalidGrant> {
        let invalid = |field: String, reason: String| Err(InvalidGrant { field, reason });
        let customers = self.customers.as_ref().map_or(0, BTreeSet::len);
        if customers > MOST_NAMED {
            let reason = format!("must not name more than {MOST_NAMED}");
            return invalid("customers".to_owned(), reason);
        }
        if let Some(other) = self.groups.keys().find(|it| !groups.contains(it.as_str())) {
            let known: Vec<&str> = groups.iter().copied().collect();
            let reason = format!("is not a group; the groups are {}", known.join(", "));
            return invalid(format!("groups.{other}"), reason);
        }
        if let Some(other) = self
            .actions
            .keys()
            .find(|it| !actions.contains(it.as_str()))
        {
            let reason = "is not an action; GET /actions/v2/actions lists them".to_owned();
            return invalid(format!("actions.{other}"), reason);
        }
        Ok(())
    }

    /// Adds what is written as `contacts=read` or `contacts.create=ask`.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            format!("'{text}' has no '=': write contacts=read or contacts.create=ask")
        })?;
        let read = |value: &str| serde_json::Value::String(value.to_owned());
        if name.contains('.') {
            let permission = serde_json::from_value(read(value)).map_err(|_| {
                format!("'{value}' is none of off, allow, ask, which {name} can be")
            })?;
            self.actions.insert(name.to_owned(), permission);
        } else {
            let level = serde_json::from_value(read(value)).map_err(|_| {
                format!("'{value}' is none of off, read, full, which {name} can be")
            })?;
            self.groups.insert(name.to_owned(), level);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn action(name: &str, access: Access, spends: bool) -> Action {
        let access = if access == Access::Read {
            "read"
        } else {
            "write"
        };
        let credits = spends.then(|| json!({"each": 1, "paid_for": "/person"}));
        serde_json::from_value(json!({
            "name": name, "title": "t", "description": "d", "sentence": "s", "access": access,
            "credits": credits, "input": {}, "output": {}
        }))
        .unwrap()
    }

    fn grants(texts: &[&str]) -> Grants {
        let mut grants = Grants::default();
        for text in texts {
            grants.add(text).unwrap();
        }
        grants
    }

    #[test]
    fn a_level_covers_reads_or_everything_but_never_credits() {
        let reads = action("contacts.search", Access::Read, false);
        let writes = action("contacts.create", Access::Write, false);
        let spends = action("contacts.enrich", Access::Read, true);
        for (level, expected) in [
            ("off", [Permission::Off, Permission::Off, Permission::Off]),
            (
                "read",
                [Permission::Allow, Permission::Off, Permission::Off],
            ),
            (
                "full",
                [Permission::Allow, Permission::Allow, Permission::Off],
            ),
        ] {
            let grants = grants(&[&format!("contacts={level}")]);
            let found = [&reads, &writes, &spends].map(|it| grants.permission(it));
            assert_eq!(found, expected, "{level}");
        }
        let nothing = Grants::default();
        assert_eq!(nothing.permission(&reads), Permission::Off);
    }

    #[test]
    fn an_actions_own_permission_counts_before_its_groups_level() {
        let writes = action("contacts.create", Access::Write, false);
        let spends = action("contacts.enrich", Access::Read, true);
        let grants = grants(&[
            "contacts=full",
            "contacts.create=ask",
            "contacts.enrich=allow",
        ]);
        assert_eq!(grants.permission(&writes), Permission::Ask);
        assert_eq!(grants.permission(&spends), Permission::Allow);
        let off = self::grants(&["contacts=full", "contacts.create=off"]);
        assert_eq!(off.permission(&writes), Permission::Off);
    }

    #[test]
    fn without_a_list_of_customers_all_are_meant_and_with_an_empty_one_none() {
        let mut grants = Grants::default();
        assert!(grants.may_act_for("acme"));
        grants.customers = Some(BTreeSet::from(["acme".to_owned()]));
        assert!(grants.may_act_for("acme") && !grants.may_act_for("globex"));
        grants.customers = Some(BTreeSet::new());
        assert!(!grants.may_act_for("acme"));
    }

    #[test]
    fn names_and_values_that_are_none_are_refused_in_words() {
        let (groups, actions) = (
            BTreeSet::from(["contacts"]),
            BTreeSet::from(["contacts.create"]),
        );
        let check = |text: &str| grants(&[text]).check(&groups, &actions);
        assert_eq!(check("contacts=read"), Ok(()));
        assert_eq!(check("contacts.create=ask"), Ok(()));
        assert_eq!(
            check("contact=read").unwrap_err().to_string(),
            "groups.contact: is not a group; the groups are contacts"
        );
        assert_eq!(
            check("contacts.make=ask").unwrap_err().field,
            "actions.contacts.make"
        );
        let mut grants = Grants::default();
        assert!(grants.add("contacts").is_err());
        assert!(
            grants
                .add("contacts=ask")
                .unwrap_err()
                .contains("off, read, full")
        );
        assert!(
            grants
                .add("contacts.create=full")
                .unwrap_err()
                .contains("off, allow, ask")
        );
    }
}

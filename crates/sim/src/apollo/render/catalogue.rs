//! Rendering of stages, labels and custom fields.

use crate::json::{Object, quoted};
use crate::world::catalogue::{Field, Label, Stage};

impl Stage {
    pub(crate) fn contact_json(&self, team_id: &str, order: usize) -> String {
        let mut o = self.json(team_id);
        o.number("display_order", order)
            .null("ignore_trigger_override")
            .maybe("category", self.category)
            .null("is_meeting_set");
        o.finish()
    }

    pub(crate) fn account_json(&self, team_id: &str, order: usize) -> String {
        let mut o = self.json(team_id);
        o.number("display_order", order)
            .flag("default_exclude_for_leadgen", false)
            .maybe("category", self.category)
            .null("is_meeting_set");
        o.finish()
    }

    fn json(&self, team_id: &str) -> Object {
        let mut o = Object::new();
        o.text("id", &self.id)
            .text("team_id", team_id)
            .text("display_name", self.name)
            .text("name", self.name);
        o
    }
}

impl Label {
    pub(crate) fn json(&self, team_id: &str, count: usize) -> String {
        let mut o = Object::with_capacity(512);
        o.text("_id", &self.id)
            .number("cached_count", count)
            .raw("concurrency_locks", "{}")
            .zulu("created_at", self.created_at)
            .text("modality", self.modality)
            .text("name", &self.name)
            .flag("need_cached_count_update", false)
            .offset("needs_count_update_at", Some(self.created_at))
            .null("rule_config_template_id")
            .text("team_id", team_id)
            .zulu("updated_at", self.created_at)
            .maybe("user_id", self.user_id.as_deref())
            .text("id", &self.id)
            .text("key", &self.id);
        o.finish()
    }

    /// The form of labels in answers to writes.
    pub(crate) fn brief(&self) -> String {
        let mut o = Object::new();
        o.text("id", &self.id)
            .text("modality", self.modality)
            .number("cached_count", 0)
            .text("name", &self.name)
            .zulu("created_at", self.created_at)
            .zulu("updated_at", self.created_at)
            .maybe("user_id", self.user_id.as_deref());
        o.finish()
    }
}

impl Field {
    pub(crate) fn json(&self) -> String {
        let mut o = Object::with_capacity(768);
        o.text("id", &self.id)
            .text("modality", self.modality)
            .text("name", self.name)
            .text("type", self.kind)
            .splice(concat!(
                r#""picklist_options":[],"mapped_crm_field":null,"additional_mapped_crm_field":null,"#,
                r#""is_readonly_mapped_crm_field":null,"picklist_options_last_synced_at":null,"#,
                r#""picklist_value_set_id":null,"mirrored":false,"system_name":null,"#,
                r#""text_field_max_length":null,"finder_view_ids":[],"is_local":false"#
            ));
        if !self.choices.is_empty() {
            let values: Vec<String> = self
                .choices
                .iter()
                .map(|(id, name)| {
                    let (id, name) = (quoted(id), quoted(name));
                    format!(r#"{{"_id":{id},"mapped_crm_values":{{}},"name":{name},"id":{id},"key":{id}}}"#)
                })
                .collect();
            o.list("picklist_values", &values);
        }
        o.finish()
    }
}

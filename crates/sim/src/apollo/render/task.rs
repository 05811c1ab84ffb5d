//! Rendering of tasks.

use crate::json::Object;
use crate::world::contact::ContactBrief;
use crate::world::task::Task;

impl Task {
    pub(crate) fn render(&self) -> String {
        let mut o = Object::with_capacity(1024);
        o.null("emailer_campaign_id")
            .text("id", &self.id)
            .text("user_id", &self.user_id)
            .zulu("created_at", self.created_at)
            .offset("completed_at", self.completed_at)
            .maybe("note", self.note.as_deref())
            .offset("skipped_at", self.skipped_at)
            .offset("due_at", self.due_at)
            .text("type", &self.kind)
            .text("priority", &self.priority)
            .text("status", &self.status)
            .null("answered")
            .maybe("contact_id", self.contact_id.as_deref())
            .null("person_id")
            .maybe("account_id", self.account_id.as_deref())
            .splice(concat!(
                r#""organization_id":null,"persona_ids":[],"subject":null,"created_from":"zp_ui","#,
                r#""salesforce_type":null,"playbook_step_ids":[],"playbook_id":null,"#,
                r#""needs_playbook_autoprospecting":null,"starred_by_user_ids":[],"salesforce_id":null,"#,
                r#""hubspot_id":null,"opportunity_id":null"#
            ))
            .maybe("title", self.title.as_deref())
            .null("rule_config_id")
            .text("creator_id", &self.creator_id);
        if let Some(contact) = &self.contact {
            o.raw("contact", &contact.in_task());
        }
        if let Some(account) = &self.account {
            o.raw("account", &account.in_task());
        }
        o.finish()
    }
}

impl ContactBrief {
    fn in_task(&self) -> String {
        let mut o = Object::with_capacity(512);
        o.text("id", &self.id)
            .maybe("first_name", self.first_name.as_deref())
            .maybe("last_name", self.last_name.as_deref())
            .text("name", &self.name())
            .maybe("linkedin_url", self.linkedin_url.as_deref())
            .maybe("title", self.title.as_deref())
            .maybe("email", self.email.as_deref())
            .maybe("organization_name", self.organization_name.as_deref())
            .maybe("account_id", self.account_id.as_deref())
            .maybe("owner_id", self.owner_id.as_deref())
            .zulu("created_at", self.created_at)
            .maybe("email_status", self.email_status);
        o.finish()
    }
}

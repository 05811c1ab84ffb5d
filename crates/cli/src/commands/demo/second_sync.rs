//! The second part of the demo: two contacts change at Apollo, and the next sync finds both.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use syncline_model::{Clock, SystemClock, time};

use super::{
    Demo,
    customers::{CUSTOMERS, Customer},
};

/// The index of the customer whose contacts change: the one with Apollo.
const WHOSE: usize = 1;
const NEW_TITLE: &str = "Chief Robot Officer";

/// The longest time of a sync after two changes, on any machine.
const WITHIN: Duration = Duration::from_mins(1);
/// How often the demo checks whether it is done, unless a webhook arrives before.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The result of the second sync.
pub(super) struct SecondSync {
    pub(super) customer: &'static Customer,
    pub(super) updated: Person,
    pub(super) deleted: Person,
    /// The title in the updated row.
    pub(super) new_title: String,
    /// Why the other row is marked as deleted; `None` if it isn't.
    pub(super) reason: Option<String>,
    pub(super) run: Value,
    /// The event of the run, as the receiver got it.
    pub(super) event: Value,
    /// The receiver's address.
    pub(super) receiver: String,
    pub(super) forged: usize,
    /// The hourly record limit, and how much of it was used.
    pub(super) hour: Value,
    /// The time before the changes, for `modified_after`.
    pub(super) began: String,
}

pub(super) struct Person {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) title: String,
}

impl Demo {
    pub(super) async fn second_sync(&self) -> anyhow::Result<SecondSync> {
        let customer = &CUSTOMERS[WHOSE];
        let began = time::format(SystemClock::default().now());
        let contacts = self
            .api
            .get_of(
                customer,
                "/engagement/v2/contacts?read_from_cache=true&page_size=2",
            )
            .await?;
        let [updated, deleted] = [0, 1].map(|at| Person::of(&contacts["records"][at]));
        self.edit(&updated, &deleted)?;
        let run = tokio::time::timeout(WITHIN, self.sync_contacts(customer))
            .await
            .context("the second sync did not end within a minute")??;
        let changes = format!(
            "/engagement/v2/contacts?read_from_cache=true&include_deleted_data=true\
             &modified_after={began}"
        );
        let rows = self.api.get_of(customer, &changes).await?;
        Ok(SecondSync {
            customer,
            new_title: title_of(&rows, &updated.id),
            reason: self.reason(customer, &deleted.id).await?,
            updated,
            deleted,
            event: self.event_of(&run).await?,
            run,
            receiver: self.receiver.address.clone(),
            forged: self.receiver.forged(),
            hour: self.hour_of(customer).await?,
            began,
        })
    }

    /// Changes one contact at the customer's Apollo and deletes another.
    fn edit(&self, updated: &Person, deleted: &Person) -> anyhow::Result<()> {
        let now = SystemClock::default().now();
        self.providers[WHOSE].edit(0, |team| {
            team.update_contact(now, &updated.id, &json!({"title": NEW_TITLE}))?;
            team.delete_contact(&deleted.id)
        })?;
        Ok(())
    }

    /// Syncs the contacts once more and returns the run.
    async fn sync_contacts(&self, customer: &Customer) -> anyhow::Result<Value> {
        let contact = json!({"object_type": "common", "object": "contact"});
        let path = format!(
            "/mgmt/v2/sync-runs?customer_id={}&object_type=common&object=contact&page_size=1",
            customer.id
        );
        let before = self.api.get(&path).await?;
        self.api
            .post_of(customer, "/mgmt/v2/syncs/_trigger", &contact)
            .await?;
        loop {
            let runs = self.api.get(&path).await?;
            let run = &runs["results"][0];
            if run["id"] != before["results"][0]["id"] && !run["end_timestamp"].is_null() {
                return Ok(run.clone());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.receiver.news() => {}
            }
        }
    }

    async fn reason(&self, customer: &Customer, id: &str) -> anyhow::Result<Option<String>> {
        let path = format!(
            "/mgmt/v2/customers/{}/connections/{}/records/contact/{id}/provenance",
            customer.id,
            customer.provider.name()
        );
        let row = self.api.get(&path).await?;
        let events = row["events"].as_array().cloned().unwrap_or_default();
        let last = events.last().filter(|event| event["event"] == "deleted");
        let is_deleted = row["is_deleted"] == true;
        Ok(last
            .filter(|_| is_deleted)
            .and_then(|event| event["reason"].as_str())
            .map(str::to_owned))
    }

    /// The receiver's event of the run; the message may still be on its way.
    async fn event_of(&self, run: &Value) -> anyhow::Result<Value> {
        let id = run["id"].as_str().unwrap_or_default();
        let told = async {
            loop {
                if let Some(event) = self.receiver.event_of(id) {
                    return event;
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = self.receiver.news() => {}
                }
            }
        };
        tokio::time::timeout(WITHIN, told)
            .await
            .context("no webhook came within a minute")
    }

    async fn hour_of(&self, customer: &Customer) -> anyhow::Result<Value> {
        let path = format!(
            "/mgmt/v2/customers/{}/connections/{}/_rate_limit_info",
            customer.id,
            customer.provider.name()
        );
        let limits = self.api.get(&path).await?;
        Ok(limits["records"]["per_hour"].clone())
    }
}

impl SecondSync {
    /// Checks that both changes were found, that nothing else was changed, and that the webhook
    /// arrived.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.run["status"] != "SUCCESS" {
            bail!("the second sync failed: {}", self.run["error_message"]);
        }
        for (what, found) in [("records_updated", 1), ("records_deleted", 1)] {
            let counted = &self.run[what];
            ensure!(
                *counted == found,
                "the second sync counted {what}: {counted}"
            );
        }
        ensure!(
            self.new_title == NEW_TITLE,
            "the updated row says {}",
            self.new_title
        );
        ensure!(
            self.reason.is_some(),
            "the deleted row is not marked as deleted"
        );
        ensure!(
            self.forged == 0,
            "{} webhooks had a wrong signature",
            self.forged
        );
        Ok(())
    }
}

impl Person {
    fn of(record: &Value) -> Self {
        let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("id"),
            name: format!("{} {}", text("first_name"), text("last_name")),
            title: text("job_title"),
        }
    }
}

fn title_of(list: &Value, id: &str) -> String {
    let records = list["records"].as_array().cloned().unwrap_or_default();
    let row = records.iter().find(|record| record["id"] == id);
    row.map(Person::of)
        .map(|person| person.title)
        .unwrap_or_default()
}

//! What the demo prints.

#![expect(clippy::print_stdout, reason = "the command's answer")]

use std::path::Path;

use indicatif::HumanCount;
use syncline_model::Object;

use super::{
    Demo,
    api::Api,
    customers::{CUSTOMERS, Customer},
    first_sync::FirstSync,
    second_sync::SecondSync,
};

impl Demo {
    pub(super) async fn print_first(&self, first: &FirstSync) -> anyhow::Result<()> {
        println!("\nThe first sync of three customers. Rows in the tables:\n");
        print!("{:>16}", "");
        for customer in &CUSTOMERS {
            print!("  {:>14}", customer.id);
        }
        println!();
        print!("{:>16}", "");
        for customer in &CUSTOMERS {
            print!("  {:>14}", customer.provider.title());
        }
        println!();
        let mut rows = 0;
        for object in Object::ALL {
            print!("{:>16}", object.plural());
            for customer in &CUSTOMERS {
                if !customer.provider.objects().any(|it| it == *object) {
                    print!("  {:>14}", "-");
                    continue;
                }
                let count = self.count(customer, *object).await?;
                rows += count;
                print!("  {:>14}", HumanCount(count).to_string());
            }
            println!();
        }
        let requests: usize = self.providers.iter().map(|it| it.ledger().len()).sum();
        let millis = u64::try_from(first.took.as_millis()).unwrap_or(u64::MAX);
        println!(
            "\n{} rows in {:.2} s ({} records/s) with {} requests to the three providers.",
            HumanCount(rows),
            first.took.as_secs_f64(),
            HumanCount(rows * 1000 / millis.max(1)),
            requests,
        );
        for failure in &first.failures {
            println!("FAILED: {failure}");
        }
        Ok(())
    }

    async fn count(&self, customer: &Customer, object: Object) -> anyhow::Result<u64> {
        let path = format!(
            "/engagement/v2/{}?read_from_cache=true&include_deleted_data=true&page_size=1",
            object.plural()
        );
        let list = self.api.get_of(customer, &path).await?;
        Ok(list["pagination"]["total_count"]
            .as_u64()
            .unwrap_or_default())
    }
}

pub(super) fn print_second(second: &SecondSync) {
    let count = |name: &str| HumanCount(second.run[name].as_u64().unwrap_or_default());
    let (updated, deleted) = (&second.updated, &second.deleted);
    println!(
        "\nThen {} changes one contact at Apollo and deletes another. The next sync:\n",
        second.customer.id
    );
    println!(
        "  updated    {}: {} is now {}",
        updated.name, updated.title, second.new_title
    );
    println!(
        "  deleted    {}: {}",
        deleted.name,
        match &second.reason {
            Some(reason) => format!("Apollo says: {reason}"),
            None => "NOT MARKED AS DELETED".to_owned(),
        }
    );
    println!(
        "  counted    {} updated, {} marked as deleted, {} unchanged and not written",
        count("records_updated"),
        count("records_deleted"),
        count("records_unchanged"),
    );
    let told = |field: &str| second.event[field].as_str().unwrap_or_default();
    println!(
        "  webhook    {} {}, its signature verified, at {}",
        told("webhook_event_type"),
        told("result"),
        second.receiver,
    );
    let number = |field: &str| second.hour[field].as_u64().unwrap_or_default();
    println!(
        "  budget     {} of {} records of this hour are left for {}",
        HumanCount(number("limit").saturating_sub(number("used"))),
        HumanCount(number("limit")),
        second.customer.id,
    );
}

impl Demo {
    /// What to try next, while it serves.
    pub(super) fn print_serving(&self, second: &SecondSync, database: &Path) {
        let Api { base, key, .. } = &self.api;
        let (customer, provider) = (second.customer.id, second.customer.provider.name());
        let headers = format!(
            "-H 'x-api-key: {key}' \\\n    -H 'x-customer-id: {customer}' -H 'x-provider-name: {provider}'"
        );
        let contacts = "/engagement/v2/contacts?read_from_cache=true";
        println!("\nLook at it in a browser (this address signs in by itself, once):\n");
        println!("  {}", self.console);
        println!("\nTry these, in another terminal.");
        println!("\nBrowse and try the API: {base}/docs");
        println!("Press Authorize there and give this key: {key}");
        println!("\nThe first contacts of {customer}:\n");
        println!("  curl '{base}{contacts}&page_size=2' \\\n    {headers}");
        println!("\nWhat the second sync changed:\n");
        println!(
            "  curl '{base}{contacts}&include_deleted_data=true&modified_after={}' \\\n    {headers}",
            second.began
        );
        println!("\nThe syncs, with their last runs and when they run next:\n");
        println!("  curl {base}/mgmt/v2/syncs \\\n    -H 'x-api-key: {key}'");
        println!("\nAnother sync of its contacts:\n");
        println!(
            "  curl {base}/mgmt/v2/syncs/_trigger \\\n    {headers} \\\n    \
             -H 'content-type: application/json' \\\n    \
             -d '{{\"object_type\":\"common\",\"object\":\"contact\"}}'"
        );
        println!("\nThe tables, in SQL:\n");
        println!(
            "  sqlite3 {} \\\n    'SELECT customer_id, count(*) FROM engagement_contacts\n     \
             WHERE NOT is_deleted GROUP BY customer_id'",
            database.display()
        );
        println!("\nMetrics:             {base}/metrics");
        for (customer, simulator) in CUSTOMERS.iter().zip(&self.providers) {
            let what = format!("Simulated {}:", customer.provider.title());
            println!("{what:<20} {}", simulator.base_url());
        }
        println!("\nServing until Ctrl-C; the database is deleted then.");
    }
}

//! Apollo's fields.

use syncline_model::Object;

use super::{Field, list, nested, one};

const USER: &[Field] = &[
    one("first_name", "first_name IS NULL"),
    one("last_name", "last_name IS NULL"),
    one("email", "email IS NULL"),
    one("created_at", "created_at IS NULL"),
];

const MAILBOX: &[Field] = &[
    one("email", "email IS NULL"),
    one("user_id", "user_id IS NULL"),
    one("active", "is_disabled IS NULL"),
    one("created_at", "created_at IS NULL"),
    one("last_synced_at", "updated_at IS NULL"),
];

const SEQUENCE: &[Field] = &[
    one("user_id", "owner_id IS NULL"),
    one("name", "name IS NULL"),
    one("active", "NOT is_enabled"),
    one("created_at", "created_at IS NULL"),
    list("label_ids", "json_array_length(tags) = 0"),
    one("num_steps", "num_steps = 0"),
    nested("sharing_permission", "share_type = 'team'"),
];

const ACCOUNT: &[Field] = &[
    one("owner_id", "owner_id IS NULL"),
    one("name", "name IS NULL"),
    one("domain", "domain IS NULL"),
    one("created_at", "created_at IS NULL"),
];

const CONTACT: &[Field] = &[
    one("owner_id", "owner_id IS NULL"),
    one("account_id", "account_id IS NULL"),
    one("first_name", "first_name IS NULL"),
    one("last_name", "last_name IS NULL"),
    one("title", "job_title IS NULL"),
    one("street_address", "address ->> 'street_1' IS NULL"),
    one("city", "address ->> 'city' IS NULL"),
    one("state", "address ->> 'state' IS NULL"),
    one("postal_code", "address ->> 'postal_code' IS NULL"),
    one("country", "address ->> 'country' IS NULL"),
    one(
        "email",
        "NOT EXISTS (SELECT 1 FROM json_each(email_addresses)
                     WHERE value ->> 'email_address_type' = 'primary')",
    ),
    list(
        "contact_emails",
        "NOT EXISTS (SELECT 1 FROM json_each(email_addresses)
                     WHERE value ->> 'email_address_type' IS NULL)",
    ),
    list("phone_numbers", "json_array_length(phone_numbers) = 0"),
    one("created_at", "created_at IS NULL"),
    one("updated_at", "updated_at IS NULL"),
];

const STATE: &[Field] = &[
    one("status", "state IS NULL"),
    one("send_email_from_email_account_id", "mailbox_id IS NULL"),
    one("added_by_user_id", "user_id IS NULL"),
    one("emailer_campaign_id", "sequence_id IS NULL"),
    one("added_at", "created_at IS NULL"),
];

pub(crate) fn fields_of(object: Object) -> &'static [Field] {
    match object {
        Object::User => USER,
        Object::Mailbox => MAILBOX,
        Object::Sequence => SEQUENCE,
        Object::Account => ACCOUNT,
        Object::Contact => CONTACT,
        Object::SequenceState => STATE,
    }
}

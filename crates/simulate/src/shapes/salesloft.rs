//! Salesloft's fields. When a membership changed last is not among them: its list is read in windows of
//! that time.

use syncline_model::Object;

use super::{Field, nested, one};

const BEGUN: Field = one("created_at", "created_at IS NULL");
const CHANGED: Field = one("updated_at", "updated_at IS NULL");

const USER: &[Field] = &[
    one("first_name", "first_name IS NULL"),
    one("last_name", "last_name IS NULL"),
    one("email", "email IS NULL"),
    one("active", "is_locked IS NULL"),
    BEGUN,
    CHANGED,
];

const SEQUENCE: &[Field] = &[
    nested("owner", "owner_id IS NULL"),
    one("name", "name IS NULL"),
    nested("counts", "NOT EXISTS (SELECT 1 FROM json_each(metrics))"),
    BEGUN,
    CHANGED,
];

const ACCOUNT: &[Field] = &[
    nested("owner", "owner_id IS NULL"),
    one("name", "name IS NULL"),
    one("domain", "domain IS NULL"),
    BEGUN,
    CHANGED,
];

const CONTACT: &[Field] = &[
    nested("owner", "owner_id IS NULL"),
    nested("account", "account_id IS NULL"),
    one("first_name", "first_name IS NULL"),
    one("last_name", "last_name IS NULL"),
    one("title", "job_title IS NULL"),
    one("city", "address ->> 'city' IS NULL"),
    one("state", "address ->> 'state' IS NULL"),
    one("country", "address ->> 'country' IS NULL"),
    one(
        "email_address",
        "NOT EXISTS (SELECT 1 FROM json_each(email_addresses)
                     WHERE value ->> 'email_address_type' = 'primary')",
    ),
    one(
        "personal_email_address",
        "NOT EXISTS (SELECT 1 FROM json_each(email_addresses)
                     WHERE value ->> 'email_address_type' = 'personal')",
    ),
    one(
        "phone",
        "NOT EXISTS (SELECT 1 FROM json_each(phone_numbers)
                     WHERE value ->> 'phone_number_type' = 'primary')",
    ),
    one(
        "mobile_phone",
        "NOT EXISTS (SELECT 1 FROM json_each(phone_numbers)
                     WHERE value ->> 'phone_number_type' = 'mobile')",
    ),
    nested(
        "counts",
        "open_count + click_count + reply_count + bounced_count = 0",
    ),
    one("counts.emails_viewed", "open_count = 0"),
    BEGUN,
    CHANGED,
];

const STATE: &[Field] = &[
    one("current_state", "state IS NULL"),
    nested("cadence", "sequence_id IS NULL"),
    nested("user", "user_id IS NULL"),
    BEGUN,
];

pub(crate) fn fields_of(object: Object) -> &'static [Field] {
    match object {
        Object::User => USER,
        // There are none.
        Object::Mailbox => &[],
        Object::Sequence => SEQUENCE,
        Object::Account => ACCOUNT,
        Object::Contact => CONTACT,
        Object::SequenceState => STATE,
    }
}

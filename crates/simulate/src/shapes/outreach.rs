//! Outreach's fields. A relationship that can't be read is one whose user, owner or account is unknown;
//! where another field says it as well, it is not changed.

use syncline_model::Object;

use super::{Field, list, nested, one};

const BEGUN: Field = one("attributes.createdAt", "created_at IS NULL");
const CHANGED: Field = one("attributes.updatedAt", "updated_at IS NULL");

const USER: &[Field] = &[
    one("attributes.firstName", "first_name IS NULL"),
    one("attributes.lastName", "last_name IS NULL"),
    one("attributes.email", "email IS NULL"),
    one("attributes.locked", "is_locked IS NULL"),
    BEGUN,
    CHANGED,
];

const MAILBOX: &[Field] = &[
    one("attributes.email", "email IS NULL"),
    one("attributes.sendDisabled", "is_disabled IS NULL"),
    BEGUN,
    CHANGED,
];

const SEQUENCE: &[Field] = &[
    nested("relationships.owner", "owner_id IS NULL"),
    one("attributes.name", "name IS NULL"),
    one("attributes.enabled", "NOT is_enabled"),
    list("attributes.tags", "json_array_length(tags) = 0"),
    one("attributes.sequenceStepCount", "num_steps = 0"),
    one("attributes.shareType", "share_type = 'team'"),
    one(
        "attributes.deliverCount",
        "metrics ->> 'deliverCount' IS NULL",
    ),
    BEGUN,
    CHANGED,
];

const ACCOUNT: &[Field] = &[
    nested("relationships.owner", "owner_id IS NULL"),
    one("attributes.name", "name IS NULL"),
    one("attributes.domain", "domain IS NULL"),
    BEGUN,
    CHANGED,
];

const CONTACT: &[Field] = &[
    nested("relationships.owner", "owner_id IS NULL"),
    nested("relationships.account", "account_id IS NULL"),
    one("attributes.firstName", "first_name IS NULL"),
    one("attributes.lastName", "last_name IS NULL"),
    one("attributes.title", "job_title IS NULL"),
    one("attributes.addressStreet", "address ->> 'street_1' IS NULL"),
    one(
        "attributes.addressStreet2",
        "address ->> 'street_2' IS NULL",
    ),
    one("attributes.addressCity", "address ->> 'city' IS NULL"),
    one("attributes.addressState", "address ->> 'state' IS NULL"),
    one("attributes.addressZip", "address ->> 'postal_code' IS NULL"),
    one("attributes.addressCountry", "address ->> 'country' IS NULL"),
    // The addresses alone are in another list.
    list(
        "attributes.emailContacts",
        "NOT EXISTS (SELECT 1 FROM json_each(email_addresses)
                     WHERE value ->> 'email_address_type' IS NOT NULL)",
    ),
    list(
        "attributes.mobilePhones",
        "NOT EXISTS (SELECT 1 FROM json_each(phone_numbers)
                     WHERE value ->> 'phone_number_type' = 'mobile')",
    ),
    list(
        "attributes.workPhones",
        "NOT EXISTS (SELECT 1 FROM json_each(phone_numbers)
                     WHERE value ->> 'phone_number_type' = 'work')",
    ),
    one("attributes.openCount", "open_count = 0"),
    one("attributes.clickCount", "click_count = 0"),
    one("attributes.replyCount", "reply_count = 0"),
    BEGUN,
    CHANGED,
];

const STATE: &[Field] = &[
    one("attributes.state", "state IS NULL"),
    nested("relationships.mailbox", "mailbox_id IS NULL"),
    nested("relationships.sequence", "sequence_id IS NULL"),
    BEGUN,
    CHANGED,
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

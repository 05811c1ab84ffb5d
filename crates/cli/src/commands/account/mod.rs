//! The account that a command in the foreground works with: its secret, and its connection.

mod connect;
mod secret;

pub(super) use connect::{Account, connect};
pub(super) use secret::Secret;

use anyhow::bail;

/// The same limit as in the API.
const MAX_CUSTOMER_ID_CHARS: usize = 255;

/// Whether it can be a customer's id.
pub(super) fn check_customer(customer_id: &str) -> anyhow::Result<()> {
    let chars = customer_id.chars().count();
    if !(1..=MAX_CUSTOMER_ID_CHARS).contains(&chars) || customer_id.contains('\0') {
        bail!("--customer must have 1 to {MAX_CUSTOMER_ID_CHARS} characters");
    }
    Ok(())
}

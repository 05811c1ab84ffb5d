//! Unknown keys give no access.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use syncline_model::Role;

use super::{anything, call, key_of};
use crate::{
    http::refused,
    support::{App, on_both_databases, operations},
};

#[apply(on_both_databases)]
async fn no_operation_is_answered_without_a_valid_key(database: Database) {
    let app = App::synced(database, 5).await;
    let (id, revoked) = key_of(&app, "default", Role::Admin, None, None).await;
    let end = Some(app.now() + TimeDelta::minutes(1));
    let (_, expired) = key_of(&app, "default", Role::Admin, None, end).await;
    for key in [&revoked, &expired] {
        app.get_as(key, "/mgmt/v2/customers").await.ok();
        app.until_last_use_recorded(key).await;
    }
    app.delete(&format!("/mgmt/v2/api_keys/{id}")).await.ok();
    app.until_last_use_recorded(&app.api_key).await;
    app.clock.advance(TimeDelta::minutes(1));
    app.apollo.ledger().reset();
    let before = app.database.dump(None).await;
    for operation in operations() {
        let path = operation.path(anything);
        let body = operation.body.as_ref();
        for key in ["", "unknown", &revoked, &expired] {
            let answer = call(&app, key, &operation.method, &path, body).await;
            refused(&answer, 401, "UNAUTHORIZED_ERROR");
        }
    }
    assert_eq!(app.apollo.ledger().len(), 0);
    assert_eq!(app.database.dump(None).await, before);
}

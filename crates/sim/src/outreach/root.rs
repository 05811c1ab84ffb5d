//! The root of the API, which identifies the caller.

use super::Call;
use super::refusal::{Answer, Refusal};
use super::switches::RootMeta;
use crate::json::Object;

pub(super) fn root(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(user) = call.team.users.get(&call.access.user_id) else {
        return Err(Refusal::bad_token());
    };
    let mut caller = Object::new();
    caller
        .raw("id", &user.id)
        .text("email", &user.email)
        .maybe("firstName", user.first_name.as_deref())
        .maybe("lastName", user.last_name.as_deref());
    let mut meta = Object::new();
    meta.raw("user", &caller.finish());
    if call.team.org.switches.root == RootMeta::Rich {
        let mut org = Object::new();
        org.raw("id", &call.team.id)
            .text("shortname", &call.team.shortname());
        let mut app = Object::new();
        app.text("name", "Sync");
        meta.raw("org", &org.finish()).raw("app", &app.finish());
    }
    meta.text("instanceUrl", &call.team.instance_url());
    let mut links = Object::new();
    links.text("self", &call.link(&[]));
    let mut o = Object::new();
    o.null("data")
        .raw("meta", &meta.finish())
        .raw("links", &links.finish());
    Ok(Answer::of(200, o.finish(), 0))
}

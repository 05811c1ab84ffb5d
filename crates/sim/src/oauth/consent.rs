//! The consent page: asks a user for permission, and leads back to the application with a code or an error.

use super::Client;
use crate::dialect::RequestContext;
use crate::params::Params;

pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// What is different between the consent pages of dialects.
#[derive(Debug)]
pub(crate) struct Consent<'a> {
    pub(crate) client: Client<'a>,
    /// The name of the product.
    pub(crate) name: &'static str,
    /// The texts of the buttons to approve and to deny.
    pub(crate) buttons: [&'static str; 2],
    /// The scopes that the user is asked for, or the error that the request leads back with.
    pub(crate) scopes: Result<Vec<String>, &'static str>,
    /// The request names the scopes. Otherwise they are the application's, and the redirect names them.
    pub(crate) scopes_in_request: bool,
    /// An approval is a sign-in of the user, which updates them.
    pub(crate) approval_signs_in: bool,
}

/// What the browser gets: a page or a redirect.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) html: String,
}

/// Where the browser is led back to.
#[derive(Debug)]
struct Back {
    redirect_uri: String,
    state: Option<String>,
}

impl Consent<'_> {
    /// Shows the consent page, or redirects to the application with the decision.
    pub(crate) fn answer(&self, context: &mut RequestContext<'_>, params: &Params) -> Shown {
        let given = |name: &str| params.text(name).unwrap_or_default();
        if given("client_id") != self.client.id {
            return self.page(401, "<p>The client is unknown.</p>");
        }
        let back = Back {
            redirect_uri: given("redirect_uri"),
            state: params.text("state"),
        };
        if !self.client.accepts(&back.redirect_uri) {
            return self.page(400, "<p>The redirect URI is not registered.</p>");
        }
        if given("response_type") != "code" {
            return back.with(&[("error", "unsupported_response_type")]);
        }
        let scopes = match &self.scopes {
            Ok(scopes) => scopes,
            Err(error) => return back.with(&[("error", error)]),
        };
        match given("sim_decision").as_str() {
            "approve" => self.approve(context, params, &back, scopes),
            "deny" => back.with(&[("error", "access_denied"), ("error_description", DENIED)]),
            _ => self.page(200, &self.form(params, scopes)),
        }
    }

    fn approve(
        &self,
        context: &mut RequestContext<'_>,
        params: &Params,
        back: &Back,
        scopes: &[String],
    ) -> Shown {
        let Some(code) = self.code(context, params, &back.redirect_uri, scopes) else {
            return self.page(404, "<p>There is no such team or user.</p>");
        };
        if self.scopes_in_request {
            return back.with(&[("code", &code)]);
        }
        back.with(&[("code", &code), ("scope", &scopes.join(" "))])
    }

    /// A code for the user who is signed in; `None` if there is no such team or user.
    fn code(
        &self,
        context: &mut RequestContext<'_>,
        params: &Params,
        redirect_uri: &str,
        scopes: &[String],
    ) -> Option<String> {
        let team = params.number("sim_team").map_or(0, |team| team.value);
        let team = usize::try_from(team).ok()?;
        let team = context.world.teams.get_mut(team)?;
        let user_id = match params.text("sim_user") {
            Some(id) => team.users.get(&id)?.id.clone(),
            None => team.caller_id()?,
        };
        if self.approval_signs_in {
            team.sign_in(context.now, &user_id).ok()?;
        }
        let ids = (team.id.as_str(), user_id.as_str());
        let scopes = Some(scopes.to_vec());
        Some(team.grants.add_code(context.now, ids, redirect_uri, scopes))
    }

    fn page(&self, status: u16, body: &str) -> Shown {
        let title = format!("{} simulator", self.name);
        Shown {
            status,
            headers: Vec::new(),
            html: format!(
                "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>{body}</body></html>\n"
            ),
        }
    }

    /// A form that repeats the request with the decision.
    fn form(&self, params: &Params, scopes: &[String]) -> String {
        let names = REPEATED.iter().filter(|name| self.repeats(name));
        let hidden = names.filter_map(|name| {
            let value = escaped(&params.text(name)?);
            Some(format!(
                r#"<input type="hidden" name="{name}" value="{value}">"#
            ))
        });
        let hidden: Vec<String> = hidden.collect();
        let [allow, deny] = self.buttons;
        format!(
            concat!(
                r#"<h1>Connect to {}?</h1><p>It wants: {}</p><form action="/oauth/authorize">{}"#,
                r#"<button name="sim_decision" value="approve">{}</button>"#,
                r#"<button name="sim_decision" value="deny">{}</button></form>"#
            ),
            self.name,
            escaped(&scopes.join(" ")),
            hidden.join(""),
            allow,
            deny
        )
    }

    fn repeats(&self, name: &str) -> bool {
        name != "scope" || self.scopes_in_request
    }
}

const DENIED: &str = "The resource owner or authorization server denied the request.";

/// The parameters that the form repeats.
const REPEATED: [&str; 7] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "sim_team",
    "sim_user",
];

impl Client<'_> {
    fn accepts(&self, redirect_uri: &str) -> bool {
        let mut registered = self.redirect_uris.iter();
        let fits = self.redirect_uris.is_empty() || registered.any(|uri| uri == redirect_uri);
        !redirect_uri.is_empty() && fits
    }
}

impl Back {
    /// A redirect with these parameters and the state.
    fn with(&self, pairs: &[(&str, &str)]) -> Shown {
        let mut pairs = pairs.to_vec();
        pairs.extend(self.state.as_deref().map(|state| ("state", state)));
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        let uri = &self.redirect_uri;
        let separator = if uri.contains('?') { '&' } else { '?' };
        let location = format!("{uri}{separator}{query}");
        Shown {
            status: 302,
            headers: vec![("location".to_owned(), location)],
            html: String::new(),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

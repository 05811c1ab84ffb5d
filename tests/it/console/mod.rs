//! The console, as a browser without JavaScript sees it. What needs a browser is in `tests/browser`.

mod actions;
mod enrichment;
mod further_keys;
mod keys;
mod live;
mod pages;
mod sessions;

use reqwest::{Client, Method, RequestBuilder, StatusCode, header, redirect};

use crate::support::App;

/// A browser: it keeps the session's cookie, and does not follow redirects by itself.
pub(crate) struct Browser {
    http: Client,
    base: String,
    cookie: Option<String>,
}

/// A page, or what is sent instead.
pub(crate) struct Shown {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) html: String,
}

impl Shown {
    /// The page's text, if it is one.
    #[track_caller]
    pub(crate) fn page(self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.html);
        self.html
    }

    /// Where it sends the browser.
    #[track_caller]
    pub(crate) fn redirect(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.html);
        self.headers[header::LOCATION].to_str().unwrap()
    }

    fn cookie(&self) -> Option<&str> {
        let cookie = self.headers.get(header::SET_COOKIE)?;
        Some(cookie.to_str().unwrap())
    }
}

impl Browser {
    pub(crate) fn at(app: &App) -> Self {
        let http = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none());
        Self {
            http: http.build().unwrap(),
            base: format!("http://{}", app.address()),
            cookie: None,
        }
    }

    /// One that is signed in with the application's first key, an admin's.
    pub(crate) async fn signed_in(app: &App) -> Self {
        let mut browser = Self::at(app);
        browser.sign_in(&app.api_key).await;
        browser
    }

    pub(crate) async fn sign_in(&mut self, key: &str) -> Shown {
        let form = [("api_key", key), ("to", "")];
        let shown = self.post("/console/sign-in", &form).await;
        self.keep_cookie(&shown);
        shown
    }

    pub(crate) fn keep_cookie(&mut self, shown: &Shown) {
        let cookie = shown.cookie().and_then(|it| it.split(';').next());
        self.cookie = cookie.map(str::to_owned);
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Shown {
        shown(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Shown {
        shown(self.form(path, form)).await
    }

    pub(crate) fn form(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(serde_urlencoded::to_string(form).unwrap())
    }
}

pub(crate) async fn shown(request: RequestBuilder) -> Shown {
    let answer = request.send().await.unwrap();
    Shown {
        status: answer.status(),
        headers: answer.headers().clone(),
        html: answer.text().await.unwrap(),
    }
}

//! `/docs`: the API reference in the browser.

use reqwest::{Method, header};
use serde_json::Value;

use super::refused;
use crate::support::{App, Database};

/// A request without a key: the body as text, its content type and its cache rule.
async fn file(app: &App, path: &str) -> (String, String, String) {
    let response = app.request(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let header = |name| response.headers()[name].to_str().unwrap().to_owned();
    let (content_type, cache) = (header(header::CONTENT_TYPE), header(header::CACHE_CONTROL));
    (response.text().await.unwrap(), content_type, cache)
}

#[tokio::test]
async fn the_page_and_all_that_it_loads_come_from_here_without_a_key() {
    let app = App::with_contacts(Database::sqlite(), 0).await;
    // The client follows the redirect to /docs/, to which the page's links are relative.
    let (page, content_type, cache) = file(&app, "/docs").await;
    assert_eq!(content_type, "text/html; charset=utf-8");
    assert_eq!(cache, "no-cache");
    let links: Vec<_> = page
        .split("href=\"")
        .chain(page.split("src=\""))
        .filter_map(|rest| rest.split_once('"'))
        .map(|(link, _)| link)
        .filter(|link| !link.contains('<'))
        .collect();
    assert_eq!(links.len(), 6, "{links:?}");
    for link in links {
        let (text, content_type, cache) = file(&app, &format!("/docs/{link}")).await;
        let expected = match link.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript",
            "css" => "text/css",
            _ => "image/png",
        };
        assert!(content_type.starts_with(expected), "{link}: {content_type}");
        assert!(text.len() > 100, "{link}");
        assert_eq!(cache == "no-cache", link == "start.js", "{link}: {cache}");
    }
}

#[tokio::test]
async fn the_page_offers_every_document() {
    let app = App::with_contacts(Database::sqlite(), 0).await;
    let (script, _, _) = file(&app, "/docs/start.js").await;
    let (_, urls) = script.split_once("urls: ").unwrap();
    let urls: Value = serde_json::from_str(urls.split_once(",\n").unwrap().0).unwrap();
    let urls = urls.as_array().unwrap();
    assert_eq!(urls.len(), syncline_server::documents().len());
    for url in urls {
        let path = url["url"].as_str().unwrap().strip_prefix("..").unwrap();
        let answer = App::answer(app.request(Method::GET, path)).await;
        assert!(answer.ok()["paths"].is_object(), "{path}");
    }
}

#[tokio::test]
async fn other_files_are_not_there() {
    let app = App::with_contacts(Database::sqlite(), 0).await;
    for path in ["/docs/index.html", "/docs/..%2fserver", "/docs/a/b"] {
        let answer = App::answer(app.request(Method::GET, path)).await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
}

//! What is read by many lies ready: whole answers, made once when something changed, found before any routing. Who fills
//! the shelf is not here.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use jiff::Timestamp;

use super::request::Door;
use super::response::guard;
use crate::crypto::{hex, sha256};
use crate::domain::language::Language;
use crate::domain::status::edition::Edition;

/// A reader who cannot reach us may go on showing what it has; it says how old it is.
const STALE_SECONDS: u32 = 86_400;
/// Bytes of the content's digest that stand in its tag.
const TAG_BYTES: usize = 16;

/// What is put on the shelf.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// As in an address, without a query.
    pub path: &'a str,
    pub content_type: &'a str,
    pub bytes: &'a [u8],
    pub max_age_seconds: u32,
}

/// Answers by their path.
#[derive(Debug, Default)]
pub struct Shelf {
    filled: ArcSwap<Filled>,
}

#[derive(Debug, Default)]
struct Filled {
    items: HashMap<String, Arc<Item>>,
    stale_after: Option<Timestamp>,
}

#[derive(Debug)]
struct Item {
    max_age_seconds: u32,
    tag: HeaderValue,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Shelf {
    /// Takes everything off and puts this there, in one moment. What has not changed keeps its memory.
    pub fn fill<'a>(&self, entries: impl IntoIterator<Item = Entry<'a>>, stale_after: Timestamp) {
        let before = self.filled.load();
        let mut items = HashMap::new();
        for entry in entries {
            let Some(tag) = tag(entry.bytes) else { continue };
            let same = |item: &&Arc<Item>| item.tag == tag && item.max_age_seconds == entry.max_age_seconds;
            let item = match before.items.get(entry.path).filter(same) {
                Some(item) => item.clone(),
                None => Arc::new(Item::new(&entry, tag)),
            };
            items.insert(entry.path.to_owned(), item);
        }
        self.filled.store(Arc::new(Filled { items, stale_after: Some(stale_after) }));
    }

    /// Until when what lies here is to be trusted; none before it was ever filled.
    pub fn stale_after(&self) -> Option<Timestamp> {
        self.filled.load().stale_after
    }

    /// The answer, if the request is a read of something that lies here.
    pub fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let is_head = request.method() == Method::HEAD;
        if !is_head && request.method() != Method::GET {
            return None;
        }
        let path = request.uri().path();
        let filled = self.filled.load();
        // Other servers of the same pages lead to addresses that end with a slash.
        let item = filled.items.get(path).or_else(|| filled.items.get(path.strip_suffix('/')?))?;
        Some(item.answer(request.headers(), is_head))
    }
}

impl Item {
    fn new(entry: &Entry<'_>, tag: HeaderValue) -> Item {
        let mut headers = HeaderMap::new();
        guard(&mut headers, Door::Public);
        let max_age = entry.max_age_seconds;
        let caching =
            format!("public, max-age={max_age}, stale-while-revalidate={max_age}, stale-if-error={STALE_SECONDS}");
        let is_page = entry.content_type.starts_with("text/html");
        let edition = Edition::of_path(entry.path);
        let language = if edition.language == Language::Sv { "sv" } else { "en" };
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("cache-control", &caching);
        set("content-type", entry.content_type);
        if is_page {
            set("content-language", language);
        } else {
            // Feeds and badges are for other people's pages too; there is nothing here that is anybody's.
            set("access-control-allow-origin", "*");
        }
        set("content-length", &entry.bytes.len().to_string());
        headers.insert("etag", tag.clone());
        let bytes = Bytes::copy_from_slice(entry.bytes);
        Item { max_age_seconds: max_age, tag, headers, bytes }
    }

    fn answer(&self, asked: &HeaderMap, is_head: bool) -> Response<Body> {
        let known = asked.get_all("if-none-match").iter().any(|tags| names(tags, &self.tag));
        let body = if known || is_head { Body::empty() } else { Body::from(self.bytes.clone()) };
        let mut response = Response::new(body);
        *response.headers_mut() = self.headers.clone();
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove("content-length");
        }
        response
    }
}

fn tag(bytes: &[u8]) -> Option<HeaderValue> {
    let digest = sha256(&[bytes]);
    HeaderValue::from_str(&format!("\"{}\"", hex(digest.get(..TAG_BYTES)?))).ok()
}

/// Whether an `If-None-Match` names the tag; the comparison is the weak one (RFC 9110 section 13.1.2).
fn names(tags: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(tags), Ok(tag)) = (tags.to_str(), tag.to_str()) else { return false };
    tags.trim() == "*" || tags.split(',').any(|named| named.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Timestamp {
        "2026-11-22T08:00:00Z".parse().unwrap()
    }

    fn shelf(text: &str) -> Shelf {
        let shelf = Shelf::default();
        put(&shelf, text);
        shelf
    }

    fn put(shelf: &Shelf, text: &str) {
        let page = |path| Entry {
            path,
            content_type: "text/html; charset=utf-8",
            bytes: text.as_bytes(),
            max_age_seconds: 15,
        };
        let feed = Entry { content_type: "application/json", ..page("/api/v2/status.json") };
        shelf.fill([page("/status"), page("/en/status"), feed], moment());
    }

    fn ask(shelf: &Shelf, method: &str, path: &str, known: &str) -> Option<Response<Body>> {
        shelf.answer(&Request::builder().method(method).uri(path).header("if-none-match", known).body(()).unwrap())
    }

    async fn body(response: Response<Body>) -> Bytes {
        axum::body::to_bytes(response.into_body(), 1_000).await.unwrap()
    }

    #[tokio::test]
    async fn a_reader_gets_the_page_once_and_then_that_it_has_not_changed() {
        let shelf = shelf("calm");
        let first = ask(&shelf, "GET", "/status?x=1", "").unwrap();
        assert_eq!((first.status(), &first.headers()["content-language"]), (StatusCode::OK, &"sv".parse().unwrap()));
        let caching = "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400";
        assert_eq!(first.headers()["cache-control"], caching);
        assert!(first.headers().get("set-cookie").is_none() && first.headers().get("vary").is_none());
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(body(first).await, "calm");
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let again = ask(&shelf, "GET", "/status/", &known).unwrap();
            assert_eq!(
                (again.status(), again.headers()["etag"].to_str().unwrap()),
                (StatusCode::NOT_MODIFIED, tag.as_str())
            );
            assert!(body(again).await.is_empty());
        }
        put(&shelf, "storm");
        let changed = ask(&shelf, "GET", "/status", &tag).unwrap();
        assert_eq!((changed.status(), body(changed).await), (StatusCode::OK, "storm".into()));
    }

    #[tokio::test]
    async fn head_tells_the_length_and_whatever_is_no_read_or_not_here_is_left_to_others() {
        let shelf = shelf("calm");
        let head = ask(&shelf, "HEAD", "/en/status", "").unwrap();
        assert_eq!(
            (&head.headers()["content-length"], &head.headers()["content-language"]),
            (&"4".parse().unwrap(), &"en".parse().unwrap())
        );
        assert!(body(head).await.is_empty());
        for (method, path) in [("POST", "/status"), ("GET", "/"), ("GET", "/status/x"), ("GET", "/status//")] {
            assert!(ask(&shelf, method, path, "").is_none(), "{method} {path}");
        }
    }

    #[test]
    fn feeds_may_be_read_by_other_sites_and_pages_not() {
        let shelf = shelf("calm");
        let allowed =
            |path| ask(&shelf, "GET", path, "").unwrap().headers().contains_key("access-control-allow-origin");
        assert!(allowed("/api/v2/status.json") && !allowed("/status"));
    }

    #[test]
    fn what_has_not_changed_keeps_its_memory() {
        let shelf = shelf("calm");
        let address = |shelf: &Shelf| shelf.filled.load().items["/status"].bytes.as_ptr();
        let before = address(&shelf);
        put(&shelf, "calm");
        assert_eq!(address(&shelf), before);
        assert_eq!(shelf.stale_after(), Some(moment()));
    }
}

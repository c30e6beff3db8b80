//! From bytes to a call: who asks, in which language, with which headers, parameters and body. The body is read only
//! after the caller was let in, up to the route's cap and within a deadline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, Uri, Version, header, request::Parts};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::card::Shown;
use super::form::Fields;
use super::problem::{Problem, json_fault_code};
use super::route::{Route, Speaks};
use super::session::{LiveSession, Standing, problem as session_problem};
use crate::admit::IpKey;
use crate::domain::id::{HsaId, Private};
use crate::domain::json;
use crate::domain::language::Language;
use crate::domain::rejection::{Detail, RejectionCode};
use crate::domain::status::Audience;
use crate::domain::status::edition::Edition;
use crate::render::Rejected;
use crate::usecase::access::Visitor;

/// A body that has not arrived whole by then is too slow.
pub const BODY_SECONDS_MAX: u64 = 30;
/// Of a body that is too large, so much is read beyond the cap.
const DROPPED_BYTES_MAX: usize = 8 << 20;
/// Longest idempotency key and sender's reference, in characters.
pub const TOKEN_LEN_MAX: usize = 128;
/// Default and longest page.
pub const LIMIT_DEFAULT: usize = 20;
pub const LIMIT_MAX: usize = 100;

/// The door that a connection came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    Portal,
    Staff,
    Public,
    CardTest,
}

impl Door {
    pub fn as_str(self) -> &'static str {
        match self {
            Door::Portal => "portal",
            Door::Staff => "staff",
            Door::Public => "public",
            Door::CardTest => "card-test",
        }
    }
}

/// A certificate that was judged and found good for its door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerFacts {
    pub hsa_id: HsaId,
    /// The name in the certificate, for its holder's own eyes.
    pub name: Option<Private>,
    pub issuer: String,
    pub not_after: jiff::Timestamp,
    pub loa: Option<u8>,
    /// Of the certificate: the key of its rate limit.
    pub fingerprint: [u8; 32],
}

impl CallerFacts {
    /// The organisation number in the HSA-id.
    pub fn organisation(&self) -> Option<String> {
        self.hsa_id.organisation().map(|number| number.as_str().to_owned())
    }
}

/// Who is at the other end, as far as it was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    Known(CallerFacts),
    /// At the public door nobody is asked.
    Anyone,
    /// At the card test anything may be shown, and nothing is granted.
    Shown(Arc<Shown>),
}

/// Why a certificate was not found good. Names of authorities only, nobody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectionFacts {
    pub code: RejectionCode,
    pub issuer: Option<String>,
    /// What the code alone does not say.
    pub detail: Option<Detail>,
    /// The organisation in the HSA-id of a genuine certificate: whose local IT helps.
    pub organisation: Option<String>,
}

impl RejectionFacts {
    /// With nothing known but the code.
    pub fn bare(code: RejectionCode) -> RejectionFacts {
        RejectionFacts { code, issuer: None, detail: None, organisation: None }
    }

    pub fn told(&self) -> Rejected<'_> {
        let RejectionFacts { code, issuer, detail, organisation } = self;
        Rejected {
            code: *code,
            issuer: issuer.as_deref(),
            detail: detail.as_ref(),
            organisation: organisation.as_deref(),
        }
    }
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    pub door: Door,
    pub address: IpKey,
    pub identity: Result<Caller, RejectionFacts>,
}

/// A request whose caller was let in.
pub struct Call {
    pub caller: Caller,
    pub door: Door,
    /// For limits and nothing else.
    pub address: IpKey,
    pub request_id: String,
    /// Of a page by its path, of anything else as the caller asks.
    pub language: Language,
    /// By the path; the staff's where a route stands under one path only.
    pub audience: Audience,
    /// Of browsers at the staff door; programs and other doors have no sessions.
    pub standing: Standing,
    pub parameters: BTreeMap<String, String>,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub(super) fields: Fields,
}

impl Call {
    /// The certificate that was let in. At the public door there is none, and nothing that is somebody's; at the card
    /// test nobody is let in.
    pub fn known(&self) -> Result<&CallerFacts, Problem> {
        match &self.caller {
            Caller::Known(facts) => Ok(facts),
            Caller::Anyone | Caller::Shown(_) => Err(Problem::new("not-found")),
        }
    }

    /// The session in which this is asked.
    pub fn session(&self) -> Result<&LiveSession, Problem> {
        match &self.standing {
            Standing::LoggedIn(session) => Ok(session),
            standing => Err(session_problem(standing)),
        }
    }

    pub fn visitor(&self) -> Result<Visitor, Problem> {
        Ok(Visitor { hsa_id: self.known()?.hsa_id.clone(), request: self.request_id.clone() })
    }

    /// The language and audience that the page's path stands for.
    pub fn edition(&self) -> Edition {
        Edition { language: self.language, audience: self.audience }
    }

    /// The fields of a sent form, each with its values in their order. Empty where none was sent.
    pub fn form(&self) -> &Fields {
        &self.fields
    }

    /// The first value of a field, without space around it; empty where it was not sent.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).and_then(|values| values.first()).map(|value| value.trim()).unwrap_or_default()
    }

    /// A UUID of the path; anything else is no resource of ours.
    pub fn id(&self) -> Result<Uuid, Problem> {
        let text = self.parameters.get("id").ok_or_else(|| Problem::new("not-found"))?;
        Uuid::parse_str(text).map_err(|_| Problem::new("not-found"))
    }

    /// An HSA-id of the path.
    pub fn hsa_id(&self, name: &str) -> Result<HsaId, Problem> {
        let text = self.parameters.get(name).ok_or_else(|| Problem::new("not-found"))?;
        HsaId::parse(text).map_err(|_| Problem::new("not-found"))
    }

    pub fn parameter(&self, name: &str) -> Result<&str, Problem> {
        self.parameters.get(name).map(String::as_str).ok_or_else(|| Problem::new("not-found"))
    }

    /// The version in `If-Match`; required, strong, one.
    pub fn if_match(&self) -> Result<u64, Problem> {
        let value = self.header("if-match").ok_or_else(|| Problem::new("if-match-required"))?;
        let version = value.trim().strip_prefix('"').and_then(|v| v.strip_suffix('"')).and_then(|v| v.parse().ok());
        // Whatever else it says, it is no version that we gave out.
        version.ok_or_else(|| Problem::new("stale-version"))
    }

    /// For what may not be there yet: `If-None-Match: *` creates, `If-Match` replaces.
    pub fn expected_version(&self) -> Result<Option<u64>, Problem> {
        match self.header("if-none-match") {
            Some("*") => Ok(None),
            Some(_) => self.if_match().map(Some),
            None => self.if_match().map(Some).map_err(|problem| match problem.code {
                "if-match-required" => problem.detail(
                    "Det som är nytt skickas med If-None-Match: *, det som finns med If-Match.",
                    "What is new is sent with If-None-Match: *, what is there with If-Match.",
                ),
                _ => problem,
            }),
        }
    }

    pub fn idempotency_key(&self) -> Result<&str, Problem> {
        let value = self.header("idempotency-key").ok_or_else(|| Problem::new("idempotency-key-missing"))?;
        let key = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        let fits = (1..=TOKEN_LEN_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(key) } else { Err(Problem::new("idempotency-key-malformed")) }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `limit` and `cursor` of a list.
    pub fn paging(&self) -> Result<(usize, Option<&str>), Problem> {
        paging(self.query.get("limit").map(String::as_str), self.query.get("cursor").map(String::as_str))
    }

    /// The body as the route's shape; every fault by its pointer, never by its value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let is_json = self.header("content-type").is_some_and(|t| {
            let t = t.split(';').next().unwrap_or_default().trim();
            t.eq_ignore_ascii_case("application/json") || t.eq_ignore_ascii_case("application/fhir+json")
        });
        if !is_json {
            return Err(Problem::new("unsupported-media-type"));
        }
        let value = json::parse(&self.body).map_err(|fault| json_problem(&fault))?;
        shape(value)
    }
}

/// Checks a list's page parameters, wherever they came from.
pub fn paging<'a>(limit: Option<&str>, cursor: Option<&'a str>) -> Result<(usize, Option<&'a str>), Problem> {
    let limit = match limit {
        None => LIMIT_DEFAULT,
        Some(text) => {
            text.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n)).ok_or_else(|| Problem::new("limit-malformed"))?
        }
    };
    Ok((limit, cursor))
}

fn json_problem(fault: &json::Fault) -> Problem {
    let problem = Problem::new(json_fault_code(fault.kind));
    let (line, column) = (fault.line, fault.column);
    problem.at(fault.pointer.clone(), format!("Rad {line}, kolumn {column}."), format!("Line {line}, column {column}."))
}

/// A value as a type; a mismatch is told by its place and rule.
pub fn shape<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    // serde would take a list for an object, field by field in their order.
    if !value.is_object() {
        return Err(Problem::new("wrong-type").at("", "Väntat: ett objekt.", "Expected: an object."));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let pointer = pointer(error.path());
        shape_problem(&pointer, &error.inner().to_string())
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut out = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        out.push('/');
        out.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    out
}

/// serde's sentences name what was found; only what was expected is passed on.
fn shape_problem(pointer: &str, message: &str) -> Problem {
    let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    let expected = || message.rsplit_once("expected ").map(|(_, e)| e.to_owned()).unwrap_or_default();
    let expected_sv = || in_swedish(&expected());
    if message.starts_with("unknown field") {
        let sv = format!("Fältet är okänt. Kända fält: {}.", expected_sv());
        Problem::new("unknown-field").at(pointer, sv, format!("The field is not known. Known fields: {}.", expected()))
    } else if message.starts_with("missing field") {
        let field = quoted(message);
        let pointer = format!("{pointer}/{field}");
        Problem::new("missing-field").at(
            pointer,
            format!("Fältet {field} saknas."),
            format!("The field {field} is missing."),
        )
    } else if message.starts_with("invalid type") {
        let sv = format!("Fel typ. Väntat: {}.", expected_sv());
        Problem::new("wrong-type").at(pointer, sv, format!("Wrong type. Expected: {}.", expected()))
    } else if message.starts_with("unknown variant")
        || message.starts_with("invalid value")
        || message.starts_with("invalid length")
    {
        let sv = format!("Värdet är inte tillåtet. Väntat: {}.", expected_sv());
        Problem::new("malformed-value").at(pointer, sv, format!("The value is not allowed. Expected: {}.", expected()))
    } else {
        // Our own types' sentences tell the rule and never the value.
        let code = if pointer.contains("identifier") { "malformed-person-id" } else { "malformed-value" };
        Problem::new(code).at(pointer, format!("Regeln är: {message}."), format!("The rule: {message}."))
    }
}

/// What serde expects, in the words of the other language.
fn in_swedish(expected: &str) -> String {
    let words = match expected {
        "a string" | "string" => "en text",
        "a boolean" => "true eller false",
        "a sequence" => "en lista",
        "a map" => "ett objekt",
        "u16" | "u32" | "u64" | "usize" => "ett heltal, 0 eller större",
        _ if expected.starts_with("struct ") => "ett objekt",
        _ => return expected.replace("one of ", "").replace(" or ", " eller "),
    };
    words.to_owned()
}

/// Reads the body whole, up to the route's cap. Somewhat more is read and dropped: who is cut off in mid-sentence never
/// comes to reading why.
pub async fn read_body(mut body: Body, route: &Route) -> Result<Vec<u8>, Problem> {
    let cap = route.body_bytes_max;
    let patience = cap.saturating_add(DROPPED_BYTES_MAX);
    let refused = |code| Problem { close: true, ..Problem::new(code) };
    let too_large = || Err(refused("body-too-large").with("maxBytes", cap));
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced > patience) {
        return too_large();
    }
    let read = async {
        let (mut bytes, mut seen) = (Vec::new(), 0_usize);
        while let Some(frame) = body.frame().await {
            let data = frame?.into_data().unwrap_or_default();
            seen = seen.saturating_add(data.len());
            match seen {
                _ if seen <= cap => bytes.extend_from_slice(&data),
                _ if seen <= patience => {}
                _ => break,
            }
        }
        Ok::<_, axum::Error>((bytes, seen))
    };
    match tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), read).await {
        Ok(Ok((bytes, seen))) if seen <= cap => Ok(bytes),
        Ok(Ok(_)) => too_large(),
        // Or the caller went away in mid-body: nobody reads this then.
        Err(_) | Ok(Err(_)) => Err(refused("body-too-slow")),
    }
}

/// A query's parameters; those that the route does not know are refused, as are repeated ones.
pub fn read_query(parts: &Parts, route: &Route) -> Result<BTreeMap<String, String>, Problem> {
    let pairs: Vec<(String, String)> =
        axum::extract::Query::try_from_uri(&parts.uri).map(|q| q.0).map_err(|_| Problem::new("malformed-value"))?;
    let mut out = BTreeMap::new();
    for (name, value) in pairs {
        // The link of a rejection page, followed once more after the cure.
        if name == "lang" && route.speaks != Speaks::Json {
            continue;
        }
        if !route.query.contains(&name.as_str()) || out.insert(name, value).is_some() {
            let known = route.query.join(", ");
            return Err(Problem::new("unknown-field").detail(
                format!("Parametern är okänd eller står två gånger. Kända: {known}."),
                format!("The parameter is not known or stands twice. Known: {known}."),
            ));
        }
    }
    Ok(out)
}

/// At the public door a browser's word is enough: there is no session to be ridden, and pages there send no `Referer`,
/// for which browsers give `null` as their origin.
pub fn check_same_site(parts: &Parts) -> Result<(), Problem> {
    let site = parts.headers.get("sec-fetch-site").map(|v| v.to_str().unwrap_or("?"));
    match site {
        Some("same-origin" | "none") | None => Ok(()),
        Some(_) => Err(Problem::new("cross-origin-write")),
    }
}

/// Whether everybody who reads the request sees the same one, a proxy on its way as well (RFC 9112 sections 3.2 and 6.1,
/// RFC 9113 section 8.3.1). hyper has refused what has two lengths.
pub fn is_unambiguous(version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let has_one_host = match (uri.authority(), hosts.next()) {
        (Some(authority), Some(host)) => host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()),
        (None, None) => version < Version::HTTP_11,
        _ => true,
    };
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked_at_most = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    has_one_host && hosts.next().is_none() && is_chunked_at_most && codings.next().is_none()
}

/// A browser's write from another site is refused; both headers absent is no browser (design 6).
pub fn check_same_origin(parts: &Parts) -> Result<(), Problem> {
    let text = |name: &str| parts.headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let refused = || Err(Problem::new("cross-origin-write"));
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return refused();
    }
    // A form of a page that sends no `Referer` comes from the origin "null"; the browser's own word stands beside it.
    let is_own_form = text("origin") == Some("null") && text("sec-fetch-site") == Some("same-origin");
    if let Some(origin) = text("origin").filter(|_| !is_own_form) {
        // HTTP/2 names the site in `:authority`, which is here the address's own.
        let site = parts.uri.authority().map(|authority| authority.as_str()).or_else(|| text("host"));
        if site.is_none() || origin.strip_prefix("https://") != site {
            return refused();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    #[test]
    fn a_request_of_two_hosts_of_none_or_of_a_strange_coding_is_ambiguous() {
        const ABSOLUTE: &str = "https://staff.region.example/";
        for (address, version, fields, expected) in [
            ("/", Version::HTTP_11, &[("host", "staff.region.example")][..], true),
            ("/", Version::HTTP_11, &[], false),
            ("/", Version::HTTP_10, &[], true),
            ("/", Version::HTTP_11, &[("host", "a.example"), ("host", "a.example")], false),
            (ABSOLUTE, Version::HTTP_2, &[], true),
            (ABSOLUTE, Version::HTTP_2, &[("host", "Staff.region.example")], true),
            (ABSOLUTE, Version::HTTP_2, &[("host", "evil.example")], false),
            (ABSOLUTE, Version::HTTP_11, &[("host", "evil.example")], false),
            ("/", Version::HTTP_11, &[("host", "a.example"), ("transfer-encoding", "Chunked")], true),
            ("/", Version::HTTP_11, &[("host", "a.example"), ("transfer-encoding", "gzip, chunked")], false),
            ("/", Version::HTTP_11, &[("host", "a.example"), ("transfer-encoding", "chunked, chunked")], false),
        ] {
            let request =
                fields.iter().fold(Request::builder().uri(address), |r, (name, value)| r.header(*name, *value));
            let request = request.version(version).body(()).unwrap();
            let told = is_unambiguous(request.version(), request.uri(), request.headers());
            assert_eq!(told, expected, "{address} {version:?} {fields:?}");
        }
    }

    #[test]
    fn writes_from_other_sites_are_refused_and_programs_pass() {
        const OWN: &str = "https://staff.region.example/v1/me/notifications";
        for (address, pairs, good) in [
            ("/", &[][..], true),
            ("/", &[("sec-fetch-site", "same-origin")], true),
            ("/", &[("sec-fetch-site", "none")], true),
            ("/", &[("sec-fetch-site", "same-site")], false),
            ("/", &[("sec-fetch-site", "cross-site")], false),
            ("/", &[("origin", "https://staff.region.example"), ("host", "staff.region.example")], true),
            ("/", &[("origin", "https://evil.example"), ("host", "staff.region.example")], false),
            ("/", &[("origin", "http://staff.region.example"), ("host", "staff.region.example")], false),
            ("/", &[("origin", "null"), ("host", "staff.region.example")], false),
            ("/", &[("origin", "null"), ("sec-fetch-site", "same-origin")], true),
            ("/", &[("origin", "null"), ("sec-fetch-site", "none")], false),
            ("/", &[("origin", "null"), ("sec-fetch-site", "same-site")], false),
            ("/", &[("origin", "https://staff.region.example")], false),
            (OWN, &[("origin", "https://staff.region.example")], true),
            (OWN, &[("origin", "https://evil.example"), ("host", "evil.example")], false),
        ] {
            let request =
                pairs.iter().fold(Request::builder().uri(address), |r, (name, value)| r.header(*name, *value));
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(check_same_origin(&parts).is_ok(), good, "{address} {pairs:?}");
        }
    }

    #[test]
    fn at_the_public_door_a_browser_says_whose_page_sent_the_form() {
        for (site, good) in
            [(None, true), (Some("same-origin"), true), (Some("none"), true), (Some("cross-site"), false)]
        {
            let request = Request::builder().uri("/status/prenumerera").header("origin", "null");
            let request = site.iter().fold(request, |r, site| r.header("sec-fetch-site", *site));
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(check_same_site(&parts).is_ok(), good, "{site:?}");
        }
    }

    #[test]
    fn a_refused_shape_names_place_and_rule_and_never_the_value() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Inner {
            #[expect(dead_code, reason = "only its reading is of interest")]
            count: u32,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Outer {
            #[expect(dead_code, reason = "only its reading is of interest")]
            list: Vec<Inner>,
        }
        for (json, code, pointer) in [
            (r#"{"list":[{"count":"secret"}]}"#, "wrong-type", "/list/0/count"),
            (r#"{"list":[{}]}"#, "missing-field", "/list/0/count"),
            (r#"{"list":[{"count":1,"secret":2}]}"#, "unknown-field", "/list/0/secret"),
            (r#"{"list":[{"count":-7}]}"#, "malformed-value", "/list/0/count"),
        ] {
            let problem = shape::<Outer>(serde_json::from_str(json).unwrap()).unwrap_err();
            assert_eq!((problem.code, problem.violations[0][0].pointer.as_str()), (code, pointer));
            assert!(!problem.violations[0][0].message.contains("secret"), "{problem:?}");
        }
    }
}

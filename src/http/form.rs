//! Forms as browsers and mail providers send them: `application/x-www-form-urlencoded`, and `multipart/form-data`, which
//! RFC 8058 has providers prefer for leaving with one click. No files: a part with a file name is refused.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::HeaderMap;

use super::problem::Problem;

/// Values of one form, all fields together.
const VALUES_MAX: usize = 200;

/// Each field's values in the order in which they were sent.
pub type Fields = BTreeMap<String, Vec<String>>;

/// Reads a whole body, which its route has bounded. None at all is a form without fields.
pub async fn read(headers: &HeaderMap, body: &[u8]) -> Result<Fields, Problem> {
    if body.is_empty() {
        return Ok(Fields::new());
    }
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => collect(form_urlencoded::parse(body).into_owned()),
        "multipart/form-data" => {
            let boundary = multer::parse_boundary(content_type).map_err(|_| malformed())?;
            collect(parts(boundary, body).await?.into_iter())
        }
        _ => Err(Problem::new("unsupported-media-type")),
    }
}

fn collect(pairs: impl Iterator<Item = (String, String)>) -> Result<Fields, Problem> {
    let mut fields = Fields::new();
    for (count, (name, value)) in pairs.enumerate() {
        if count >= VALUES_MAX {
            return Err(malformed());
        }
        // Browsers send line breaks as CRLF.
        fields.entry(name).or_default().push(value.replace("\r\n", "\n"));
    }
    Ok(fields)
}

async fn parts(boundary: String, body: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let body = Bytes::copy_from_slice(body);
    let stream = futures_util::stream::once(std::future::ready(Ok::<_, std::convert::Infallible>(body)));
    let mut form = multer::Multipart::new(stream, boundary);
    let mut pairs = Vec::new();
    while let Some(part) = form.next_field().await.map_err(|_| malformed())? {
        let name = part.name().filter(|_| part.file_name().is_none()).map(str::to_owned);
        pairs.push((name.ok_or_else(malformed)?, part.text().await.map_err(|_| malformed())?));
        if pairs.len() > VALUES_MAX {
            break;
        }
    }
    Ok(pairs)
}

fn malformed() -> Problem {
    Problem::new("form-malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(content_type: &str, body: &str) -> Result<Fields, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", content_type.parse().unwrap());
        read(&headers, body.as_bytes()).await.map_err(|problem| problem.code)
    }

    fn fields(pairs: &[(&str, &[&str])]) -> Fields {
        let owned = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
        pairs.iter().map(|(name, values)| ((*name).to_owned(), owned(values))).collect()
    }

    #[tokio::test]
    async fn both_ways_of_sending_a_form_are_read_alike() {
        let expected = fields(&[("kind", &["a", "b"]), ("text", &["Hej å\nhå"])]);
        let urlencoded = "kind=a&text=Hej+%C3%A5%0D%0Ah%C3%A5&kind=b";
        assert_eq!(told("application/x-www-form-urlencoded; charset=UTF-8", urlencoded).await, Ok(expected.clone()));
        let part = |name: &str, value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let multipart =
            [part("kind", "a"), part("text", "Hej å\r\nhå"), part("kind", "b"), "--x--\r\n".into()].concat();
        assert_eq!(told("multipart/form-data; boundary=x", &multipart).await, Ok(expected));
        assert_eq!(told("text/plain", "").await, Ok(Fields::new()));
    }

    #[tokio::test]
    async fn what_is_no_form_of_ours_is_refused() {
        let file = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n1\r\n--x--\r\n";
        let many = "a=1&".repeat(VALUES_MAX + 1);
        for (content_type, body, code) in [
            ("application/json", "{}", "unsupported-media-type"),
            ("multipart/form-data", "--x--", "form-malformed"),
            ("multipart/form-data; boundary=x", "--x\r\n", "form-malformed"),
            ("multipart/form-data; boundary=x", file, "form-malformed"),
            ("application/x-www-form-urlencoded", &many, "form-malformed"),
        ] {
            assert_eq!(told(content_type, body).await, Err(code), "{content_type} {body:.40}");
        }
    }
}

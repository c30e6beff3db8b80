//! What people paste, made plain, and the check digit that most identifiers share.

/// Blanks around the text go, marks that nobody sees go, every dash becomes a hyphen, letters become capitals. Digits of
/// other scripts stay what they are, so that whoever reads on refuses them: they may look like others than they are.
pub(super) fn plain(text: &str) -> String {
    let seen: String = text.chars().filter(|c| !is_invisible(*c)).map(|c| if is_dash(c) { '-' } else { c }).collect();
    seen.trim().to_ascii_uppercase()
}

/// Zero-width and direction marks, soft hyphens, byte order marks: they come along from web pages and word processors.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_dash(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

/// A plain text without the one sign (`-` or `+`) that may stand before its last four characters, and that sign. None
/// if anything but letters A–Z and digits remains.
pub(super) fn compact(plain: &str) -> Option<(String, Option<char>)> {
    let at = plain.len().checked_sub(LAST_PART_LEN + 1);
    let sign = at.and_then(|at| plain.get(at..=at)?.chars().next()).filter(|c| matches!(c, '-' | '+'));
    let compact = match (sign, at) {
        (Some(_), Some(at)) => format!("{}{}", plain.get(..at)?, plain.get(at + 1..)?),
        _ => plain.to_owned(),
    };
    compact.bytes().all(|b| b.is_ascii_alphanumeric()).then_some((compact, sign))
}

/// Birth number and check digit, or what stands in their place.
const LAST_PART_LEN: usize = 4;

pub(super) fn digits(text: &str) -> Option<Vec<u8>> {
    text.bytes().map(|b| b.is_ascii_digit().then(|| b - b'0')).collect()
}

/// Luhn's check over all digits, the last being the check digit.
pub(super) fn luhn_ok(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            let n = u32::from(*d) << (i % 2);
            n / 10 + n % 10
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

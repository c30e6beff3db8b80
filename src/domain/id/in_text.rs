//! Identity numbers in texts where none belong.

use std::sync::LazyLock;

use regex::Regex;

use super::pasted::plain;
use super::person::read;
use super::register::PersonIdSystem;

/// Characters that may be an identity number: twelve, or ten with the sign between date and birth number or without it.
/// Matched against a text made plain, where every dash is a hyphen and every letter a capital.
static NUMBER_LIKE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b(?:[0-9]{8}[- ]?[0-9A-Z]{4}|[0-9]{6}[-+][0-9]{4}|[1-9][0-9]{9})\b").ok());

/// Whether a text holds a citizen's identity number: a personnummer, samordningsnummer or reserve number whose date
/// exists and whose check digit is right, in the spellings that people use. Ten bare digits that begin with 0 are a
/// telephone number; the rest of what is mistaken for one (one in some 120 ten-digit numbers) is let in by writing it in
/// groups.
pub fn holds_person_id(text: &str) -> bool {
    let Some(pattern) = LazyLock::force(&NUMBER_LIKE) else { return true };
    let text = plain(text).replace('\u{a0}', " ");
    pattern.find_iter(&text).any(|found| {
        let number: String = found.as_str().chars().filter(char::is_ascii_alphanumeric).collect();
        match number.len() {
            12 => is_one(&number),
            _ => ["19", "20"].iter().any(|century| is_one(&format!("{century}{number}"))),
        }
    })
}

fn is_one(number: &str) -> bool {
    PersonIdSystem::ALL.into_iter().any(|system| read(system, number, None).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_numbers_are_seen_in_every_spelling() {
        for text in [
            "191212121212",
            "Patienten (19121212-1212) kan inte logga in",
            "Patienten (19121212\u{2013}1212) kan inte logga in",
            "pnr:19121212 1212.",
            "pnr:19121212\u{a0}1212.",
            "121212-1212",
            "121212+1212",
            "1212121212",
            "samordningsnummer 198001910002",
            "reservnummer 19810829M071, 991981000010",
            "reservnummer 19810829-su3a",
            "NRID 22950606-FH20",
        ] {
            assert!(holds_person_id(text), "{text}");
        }
    }

    #[test]
    fn telephone_numbers_hsa_ids_dates_and_own_case_numbers_are_not_taken_for_one() {
        for text in [
            "Ring 0771-25 10 10 eller 031-390 06 10",
            "0701011230",
            "070-123 45 67",
            "+46701234567",
            "TSTNMT2321000156-1006",
            "SE165565594230-1000",
            "2026-11-23 kl. 07.40",
            "2026-11-23T07:40:00",
            "INC0012345678",
            "CS2404231234",
            "191212121213",
            "0193a7c4-5b1e-7c3d-8f00-1912121a1212",
        ] {
            assert!(!holds_person_id(text), "{text}");
        }
    }
}

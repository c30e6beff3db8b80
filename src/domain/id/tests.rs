//! Stories about the numbers of citizens, register by register.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::PersonIdSystem::*;
use super::person::{PersonIdError, test_persons};
use super::*;
use crate::domain::language::Language;

const TODAY: Date = date(2026, 11, 22);

fn parse(system: PersonIdSystem, text: &str) -> Result<String, PersonIdError> {
    PersonId::parse_in(system, text, TODAY).map(|id| id.expose().to_owned())
}

fn register(text: &str) -> PersonIdSystem {
    match recognise(text, TODAY) {
        Ok(Recognised::In(system)) => system,
        other => panic!("{other:?}"),
    }
}

#[test]
fn published_test_persons_are_read_and_told_apart_from_coordination_numbers() {
    for number in test_persons() {
        let system = register(number);
        assert!([Personnummer, Samordningsnummer].contains(&system));
        let id = PersonId::parse_in(system, number, TODAY).unwrap();
        assert!(id.is_test_person() && id.expose() == number && id.system() == system, "{number}");
    }
    assert_eq!(register("191212121212"), Personnummer);
    assert_eq!(register("198001910002"), Samordningsnummer);
    assert!(!PersonId::parse_in(Samordningsnummer, "198001910002", TODAY).unwrap().is_test_person());
}

#[test]
fn a_number_is_one_in_all_the_spellings_that_people_paste() {
    for text in [
        "191212121212",
        " 19121212-1212 ",
        "19121212+1212",
        "\u{a0}191212121212\t\r",
        "\u{feff}19121212\u{2013}1212\u{200b}",
        "19121212\u{2212}1212",
        "1912\u{ad}12121212",
    ] {
        assert_eq!(parse(Personnummer, text).as_deref(), Ok("191212121212"), "{text:?}");
    }
}

#[test]
fn a_number_without_century_a_wrong_date_and_a_wrong_check_digit_are_refused_by_name() {
    use PersonIdError::*;
    for (text, why) in [
        ("1212121212", Century),
        ("121212-1212", Century),
        ("121212+1212", Century),
        ("", Shape(Personnummer)),
        ("1912121212", Century),
        ("19121212 1212", Shape(Personnummer)),
        ("1912-12-12-1212", Shape(Personnummer)),
        ("19121212--1212", Shape(Personnummer)),
        ("1912121212١2", Shape(Personnummer)),
        ("１９１２１２１２１２１２", Shape(Personnummer)),
        ("191213121212", Date),
        ("190002291212", Date),
        ("183912121212", Date),
        ("191212121213", CheckDigit),
        ("191212120008", BirthNumber),
        ("198001910002", System),
    ] {
        assert_eq!(parse(Personnummer, text), Err(why), "{text}");
    }
    assert_eq!(parse(Samordningsnummer, "191212121212"), Err(System));
}

#[test]
fn nobody_is_born_tomorrow() {
    let born = PersonId::parse_in(Personnummer, "202402292383", date(2024, 2, 29));
    assert!(born.is_ok());
    assert_eq!(PersonId::parse_in(Personnummer, "202402292383", date(2024, 2, 28)), Err(PersonIdError::Future));
    assert_eq!(PersonId::parse_in(Samordningsnummer, "202601612381", date(2025, 12, 31)), Err(PersonIdError::Future));
}

#[test]
fn a_plus_sign_that_speaks_against_the_century_is_a_slip_in_one_of_them() {
    assert!(parse(Personnummer, "19121212+1212").is_ok());
    assert_eq!(parse(Personnummer, "19900101+2385"), Err(PersonIdError::Sign));
    // From the year of the hundredth birthday on, whatever the day.
    assert!(PersonId::parse_in(Personnummer, "19900101+2385", date(2090, 1, 1)).is_ok());
}

#[test]
fn a_coordination_number_may_leave_month_and_day_unknown() {
    assert_eq!(parse(Samordningsnummer, "191500722390").as_deref(), Ok("191500722390"));
    assert!(parse(Samordningsnummer, "198001910002").is_ok(), "care's shared test patient");
    for (month, day, known) in [("00", "60", true), ("02", "60", true), ("02", "90", false), ("13", "60", false)] {
        let read = parse(Samordningsnummer, &with_check_digit(&format!("1980{month}{day}001"), 2));
        assert_eq!(read.is_ok(), known, "{month} {day}");
    }
}

#[test]
fn reserve_numbers_that_their_registers_publish_are_read() {
    for (system, numbers) in [
        (NationalReserve, &["22950606-FH20", "98240301AA06", "25780404KHD5", "00342145BZ31", "00749852BZK0"][..]),
        (StockholmReserve, &["991981000010", "991945000023", "991993000032"]),
        (VastraGotalandReserve, &["19810829M071", "19450829K088", "19930829X802"]),
        (VarmlandReserve, &["19810829SU3A", "19450829SF2B", "19930829-SX0C"]),
        (SkaneReserve, &["810829DA1B", "19810829-DA1B"]),
        (CarelinkReserve, &["198108320014"]),
    ] {
        for number in numbers {
            assert_eq!(parse(system, &number.to_lowercase()), Ok(number.replace('-', "")), "{number}");
            assert_eq!(register(number), system, "{number}");
        }
    }
}

#[test]
fn a_reserve_number_that_its_register_would_not_give_is_refused_by_name() {
    use PersonIdError::{CheckDigit, Shape};
    let no_date = PersonIdError::Date;
    for (system, text, why) in [
        (NationalReserve, "22950606FH21", CheckDigit),
        (NationalReserve, "22951306FH20", no_date),
        (NationalReserve, "00950606FH20", no_date),
        (NationalReserve, "19950606FH20", Shape(NationalReserve)),
        (NationalReserve, "22950606IH20", Shape(NationalReserve)),
        (StockholmReserve, "991981000011", CheckDigit),
        (StockholmReserve, "981981000010", Shape(StockholmReserve)),
        (VastraGotalandReserve, "19810829M072", CheckDigit),
        (VastraGotalandReserve, "19810230M071", no_date),
        (VastraGotalandReserve, "19810829K071", Shape(VastraGotalandReserve)),
        (VastraGotalandReserve, "19810829X071", Shape(VastraGotalandReserve)),
        (VarmlandReserve, "19810829SU3V", Shape(VarmlandReserve)),
        (VarmlandReserve, "19810229SU3A", no_date),
        (SkaneReserve, "19810829DA2B", Shape(SkaneReserve)),
        (SkaneReserve, "811329DA1B", no_date),
        (SkaneReserve, "1", Shape(SkaneReserve)),
        (CarelinkReserve, "198108320015", CheckDigit),
        (CarelinkReserve, "198113320014", no_date),
        (CarelinkReserve, "191212121212", Shape(CarelinkReserve)),
        (CarelinkReserve, "19810832+0014", Shape(CarelinkReserve)),
    ] {
        assert_eq!(parse(system, text), Err(why), "{text}");
    }
}

#[test]
fn a_number_that_no_register_but_its_giver_knows_is_told_with_the_giver() {
    let giver = "TSTNMT2321000156-A001";
    assert_eq!(
        parse(Local, " tstnmt2321000156-a001:20000101-t220 "),
        Ok(format!("{giver}:20000101T220")),
        "an interim number"
    );
    assert_eq!(parse(Local, &format!("{giver}:20200501AA8A")), Ok(format!("{giver}:20200501AA8A")));
    for (text, why) in [
        ("20000101T220".to_owned(), PersonIdError::Shape(Local)),
        (format!("{giver}:"), PersonIdError::Shape(Local)),
        (format!("{giver}:{}", "A".repeat(21)), PersonIdError::Shape(Local)),
        ("SE2321000157-A001:20000101T220".to_owned(), PersonIdError::Shape(Local)),
        (format!("{giver}:191212121212"), PersonIdError::System),
    ] {
        assert_eq!(parse(Local, &text), Err(why), "{text}");
    }
}

#[test]
fn interim_numbers_are_recognised_by_their_letter_which_counts_as_one() {
    for letter in "JKLMNPRSTUWX".chars() {
        for text in [format!("20000101{letter}220"), format!("20000101-{letter}220")] {
            assert_eq!(recognise(&text, TODAY), Ok(Recognised::Interim), "{text}");
        }
    }
    for text in ["20000101A220", "20000101T221", "20001301T220", "000101T220", "20000101+T220", "21000101T220"] {
        assert!(recognise(text, TODAY).is_err(), "{text}");
    }
}

#[test]
fn the_error_is_of_the_register_that_the_number_came_nearest_to() {
    for (text, why) in [
        ("", PersonIdError::Unknown),
        ("hemligt", PersonIdError::Unknown),
        ("121212-1212", PersonIdError::Century),
        ("191212121213", PersonIdError::CheckDigit),
        ("191213121212", PersonIdError::Date),
        ("198001910003", PersonIdError::CheckDigit),
        ("991981000011", PersonIdError::CheckDigit),
        ("22950606FH21", PersonIdError::CheckDigit),
    ] {
        assert_eq!(recognise(text, TODAY), Err(why), "{text}");
    }
    assert_eq!(recognise(&with_check_digit("20991212121", 2), TODAY), Err(PersonIdError::Future));
}

#[test]
fn test_numbers_of_reserve_registers_are_known_as_such() {
    for (system, text, is_test) in [
        (VarmlandReserve, "19810829SU31", true),
        (VarmlandReserve, "19810829SU3A", false),
        (Local, "TSTNMT2321000156-A001:20000101T220", true),
        (Local, "SE2321000016-1A2B:20000101T220", false),
        (StockholmReserve, "991981000010", false),
    ] {
        assert_eq!(PersonId::parse_in(system, text, TODAY).unwrap().is_test_person(), is_test, "{text}");
    }
}

#[test]
fn a_citizens_number_never_prints() {
    let id = PersonId::parse_in(Personnummer, "191212121212", TODAY).unwrap();
    for printed in [format!("{id}"), format!("{id:?}"), format!("{:?}", Some(&id))] {
        assert!(!printed.contains("1212"), "{printed}");
    }
    assert_eq!(format!("{:?}", Private::new("Anna".into())), "•");
}

#[test]
fn each_register_has_one_system_one_word_and_a_rule_in_both_languages() {
    let mut seen = BTreeSet::new();
    for system in PersonIdSystem::ALL {
        assert_eq!(serde_json::to_value(system).unwrap(), system.urn());
        assert!(seen.insert(system.urn()) && seen.insert(system.word()));
        let [sv, en] = [Language::Sv, Language::En].map(|language| PersonIdError::Shape(system).text(language));
        assert!(!sv.is_empty() && sv != en, "{sv}");
    }
}

#[test]
fn a_record_written_under_an_older_rule_still_reads() {
    let record = r#"{"system":"urn:oid:1.2.752.129.2.1.3.1","value":"191212120008"}"#;
    let id: PersonId = serde_json::from_str(record).unwrap();
    assert_eq!((id.system(), id.expose()), (Personnummer, "191212120008"));
    assert_eq!(serde_json::to_string(&id).unwrap(), record);
    assert!(serde_json::from_str::<PersonId>(r#"{"system":"urn:oid:1.2","value":"1"}"#).is_err());
}

/// The number with the check digit that Luhn's rule gives from a place on.
fn with_check_digit(number: &str, from: usize) -> String {
    let tries = (0..10).map(|digit| format!("{number}{digit}"));
    tries.into_iter().find(|n| pasted::luhn_ok(&pasted::digits(&n[from..]).unwrap())).unwrap()
}

fn with_vastra_gotaland_digit(number: &str) -> String {
    let digits = number.replace('K', "5").replace('M', "7").replace('X', "8");
    let last = with_check_digit(&digits, 2).pop().unwrap();
    format!("{number}{last}")
}

/// Numbers that their registers could give, each with the register.
fn numbers() -> impl Strategy<Value = (PersonIdSystem, String)> {
    let day = || (1850_i16..2026, 1_i8..=12, 1_i8..=28).prop_map(|(y, m, d)| (y, m, d));
    prop_oneof![
        (day(), 1_u16..1000)
            .prop_map(|((y, m, d), n)| (Personnummer, with_check_digit(&format!("{y}{m:02}{d:02}{n:03}"), 2))),
        (1850_i16..2026, 0_i8..=12, 60_i8..=88, 1_u16..1000)
            .prop_map(|(y, m, d, n)| (Samordningsnummer, with_check_digit(&format!("{y}{m:02}{d:02}{n:03}"), 2))),
        (1945_u16..2300, 0_u32..100_000)
            .prop_map(|(y, n)| (StockholmReserve, with_check_digit(&format!("99{y}{n:05}"), 4))),
        (day(), 6_u8..=89).prop_map(|((y, m, d), n)| {
            let sex = if n >= 80 { 'X' } else { ['K', 'M'][usize::from(n % 2)] };
            (VastraGotalandReserve, with_vastra_gotaland_digit(&format!("{y}{m:02}{d:02}{sex}{n:02}")))
        }),
        (1850_i16..2026, 1_i8..=12, 32_i8..=59, 0_u16..1000)
            .prop_map(|(y, m, d, n)| (CarelinkReserve, with_check_digit(&format!("{y}{m:02}{d:02}{n:03}"), 2))),
    ]
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in ".{0,40}", shaped in "[0-9A-Z]{4,13}[-+–:]?[0-9A-Z]{0,5}") {
        for text in [text, shaped] {
            let _ = recognise(&text, TODAY);
            let _ = HsaId::parse(&text);
            let _ = OrganisationNumber::parse(&text);
            let _ = holds_person_id(&text);
        }
    }

    #[test]
    fn every_number_that_a_register_could_give_reads_and_reads_the_same_again((system, number) in numbers()) {
        let id = PersonId::parse_in(system, &number, TODAY).unwrap();
        prop_assert_eq!(id.expose(), &number);
        prop_assert_eq!(PersonId::parse_in(system, &format!(" {}-{}", &number[..8], &number[8..]), TODAY), Ok(id));
        let registers = PersonIdSystem::ALL.into_iter().filter(|other| parse(*other, &number).is_ok());
        prop_assert_eq!(registers.collect::<Vec<_>>(), [system], "no number is of two registers");
        prop_assert_eq!(recognise(&number, TODAY), Ok(Recognised::In(system)));
        let text = format!("Se {number}.");
        prop_assert!(holds_person_id(&text));
    }

    #[test]
    fn one_wrong_digit_is_always_caught((system, number) in numbers(), at in 4_usize..12, by in 1_u8..10) {
        let mut digits = number.into_bytes();
        if digits[at].is_ascii_digit() {
            digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
            let text = String::from_utf8(digits).unwrap();
            prop_assert!(PersonId::parse_in(system, &text, TODAY).is_err());
        }
    }

    #[test]
    fn one_wrong_digit_of_a_national_reserve_number_is_always_caught(at in 0_usize..12, by in 1_u8..10) {
        let mut digits = *b"22950606FH20";
        if digits[at].is_ascii_digit() {
            digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
            prop_assert!(parse(NationalReserve, std::str::from_utf8(&digits).unwrap()).is_err());
        }
    }
}

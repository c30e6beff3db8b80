//! Reports as real systems write them, and as nobody should.

use proptest::prelude::*;

use super::*;

const FAILED: &str = include_str!("fixtures/postfix-failed.eml");
const DELAYED: &str = include_str!("fixtures/postfix-delayed.eml");
const COMPLAINT: &str = include_str!("fixtures/complaint.eml");

fn mailboxes() -> Mailboxes {
    Mailboxes { bounce: "b".into(), leave: "avsluta".into() }
}

fn bounce(letter: &str) -> Bounce {
    match read(letter.as_bytes(), &mailboxes()) {
        Ok(Incoming::Bounce(bounce)) => bounce,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_postfix_that_found_no_such_user_says_hard_and_which_letter() {
    let bounce = bounce(FAILED);
    assert_eq!(bounce.token.expose(), "k1d5f7a9c3");
    assert_eq!(bounce.kind, BounceKind::Failure(BounceClass::Hard));
    assert_eq!(bounce.status, Some(EnhancedCode(5, 1, 1)));
    assert_eq!(bounce.envelope_id, EnvelopeId::new("0193a1b2.17"));
    assert_eq!(bounce.message_id.unwrap().to_string(), "<17.0193a1b2.1@status.region.example>");
}

#[test]
fn a_postfix_that_still_tries_says_delayed() {
    let bounce = bounce(DELAYED);
    assert_eq!((bounce.kind, bounce.status), (BounceKind::Delayed, Some(EnhancedCode(4, 4, 1))));
    assert_eq!(bounce.envelope_id, EnvelopeId::new("0193a1b2.18"));
}

#[test]
fn a_complaint_is_known_by_whom_the_letter_came_from() {
    let bounce = bounce(COMPLAINT);
    assert_eq!((bounce.kind, bounce.token.expose()), (BounceKind::Complaint, "k1d5f7a9c3"));
    assert_eq!(bounce.message_id.unwrap().to_string(), "<17.0193a1b2.1@status.region.example>");
    let praise = COMPLAINT.replace("Feedback-Type: abuse", "Feedback-Type: not-spam");
    assert_eq!(read(praise.as_bytes(), &mailboxes()), Err(IncomingError::NoFailure));
}

#[test]
fn the_status_decides_what_a_failure_says_of_the_address() {
    use BounceClass::{Hard, Policy, Soft};
    for (status, diagnostic, expected) in [
        ("5.1.1", "", Hard),
        ("5.1.2", "", Hard),
        ("5.1.3", "", Hard),
        ("5.1.10 (null MX)", "", Hard),
        ("5.2.1", "", Hard),
        ("5.2.2", "", Soft),
        ("5.3.4", "", Soft),
        ("4.4.7", "", Soft),
        ("5.6.1", "", Soft),
        ("5.7.1", "", Policy),
        ("5.7.26", "", Policy),
        ("5.1.8", "", Policy),
        ("5.0.0", "smtp; 550 5.1.1 <x@example.test> unknown", Hard),
        ("5.0.0", "smtp; 550 no such user", Soft),
        ("what", "smtp; 554 5.7.1 go away", Policy),
        ("", "", Soft),
    ] {
        let letter = FAILED.replace("Status: 5.1.1", &format!("Status: {status}")).replace(
            "Diagnostic-Code: smtp; 550 5.1.1 <bounceme@example.test>: Recipient address\n    rejected: User unknown",
            &format!("Diagnostic-Code: {diagnostic}"),
        );
        assert_eq!(bounce(&letter).kind, BounceKind::Failure(expected), "{status} {diagnostic}");
    }
}

#[test]
fn reports_in_the_spellings_seen() {
    for letter in [
        FAILED.replace('\n', "\r\n"),
        FAILED.replace("Action: failed", "ACTION:  Failed (gave up)"),
        FAILED.replace("message/delivery-status", "Message/Delivery-Status; name=\"report.txt\""),
        FAILED.replace("X-Original-To: b+k1d5f7a9c3@region.example\n", ""),
        FAILED.replace("b+k1d5f7a9c3@", "B+k1d5f7a9c3@"),
        FAILED.replace("text/rfc822-headers", "message/rfc822"),
        // A gateway on the way has added its own words.
        FAILED.replacen(
            "Content-Type: multipart/report;",
            "Content-Type: multipart/mixed; boundary=outer\n\n--outer\nContent-Type: multipart/report;",
            1,
        ) + "\n--outer\n\nDetta brev har granskats.\n--outer--\n",
        // A forwarding system has kept us out of the header but not out of what it returns.
        FAILED
            .replacen("X-Original-To: b+k1d5f7a9c3", "X-Original-To: postmaster", 1)
            .replacen("Delivered-To: b+k1d5f7a9c3", "Delivered-To: postmaster", 1)
            .replacen("To: b+k1d5f7a9c3", "To: postmaster", 1),
    ] {
        let bounce = bounce(&letter);
        assert_eq!((bounce.token.expose(), bounce.kind), ("k1d5f7a9c3", BounceKind::Failure(BounceClass::Hard)));
        assert!(bounce.message_id.is_some());
    }
}

#[test]
fn any_letter_to_the_address_for_leaving_is_the_wish_to_leave() {
    for to in [
        "avsluta+k1d5@status.region.example",
        "\"Avsluta\" <Avsluta+k1d5@status.region.example>",
        "x@y.example, <avsluta+k1d5@z.example>",
    ] {
        let letter = format!("From: anna.test@example.test\nTo: {to}\nSubject: ta bort mig\n\nHej!\n");
        let Ok(Incoming::Leave { token }) = read(letter.as_bytes(), &mailboxes()) else { panic!("{to}") };
        assert_eq!(token.expose(), "k1d5");
    }
}

#[test]
fn what_is_no_report_is_told_by_name() {
    let letter = |to: &str| format!("To: {to}\nAuto-Submitted: auto-replied\n\nJag är på semester.\n");
    let many = FAILED.replace(
        "This is a MIME-encapsulated message.",
        &"--BF2CA9E60AD.1795331414/mail.example.test\n\nx\n".repeat(30),
    );
    let large = "x".repeat(INCOMING_OCTETS_MAX + 1);
    for (letter, why) in [
        (letter("b+k1d5@region.example"), IncomingError::NoReport),
        (letter("someone@region.example"), IncomingError::NotAddressed),
        (letter("avsluta+@region.example"), IncomingError::NotAddressed),
        (letter("avsluta+a/b@region.example"), IncomingError::NotAddressed),
        (FAILED.replace("b+k1d5f7a9c3@", "someone@"), IncomingError::NotAddressed),
        (FAILED.replace("Action: failed", "Action: relayed"), IncomingError::NoFailure),
        (FAILED.replace("Action: failed", "Inaction: failed"), IncomingError::NoReport),
        (many, IncomingError::TooManyParts),
        (large, IncomingError::TooLarge),
        (String::new(), IncomingError::NotAddressed),
    ] {
        assert_eq!(read(letter.as_bytes(), &mailboxes()), Err(why), "{}", letter.chars().take(200).collect::<String>());
    }
}

#[test]
fn nothing_read_prints_an_address_or_a_token() {
    let printed = format!("{:?}", bounce(FAILED));
    assert!(!printed.contains("bounceme") && !printed.contains("k1d5f7a9c3"), "{printed}");
}

/// Nested as deep as a letter can hold, and with as many parts, on a small stack: refused, and the process lives.
#[test]
fn depth_and_number_end_nothing() {
    let head = "X-Original-To: b+k1d5@region.example\n";
    let room = INCOMING_OCTETS_MAX - 200;
    let letters = {
        let message = "Content-Type: message/rfc822\n\n";
        let nested = message.repeat(room / message.len());
        let wrapped = format!("Content-Type: multipart/report; boundary=b\n\n--b\n{nested}Subject: x\n\nhej\n--b--\n");
        let multiparts: String =
            (0..room / 60).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n:x}\n\n--b{n:x}\n")).collect();
        let parts = "--b\n\n".repeat(room / 5);
        [nested, wrapped, multiparts, format!("Content-Type: multipart/mixed; boundary=b\n\n{parts}")]
    };
    for letter in letters {
        let letter = format!("{head}{letter}");
        assert!(letter.len() <= INCOMING_OCTETS_MAX);
        let stack = std::thread::Builder::new().stack_size(128 * 1024);
        let reading = stack.spawn(move || read(letter.as_bytes(), &mailboxes())).unwrap();
        assert!(matches!(reading.join().unwrap(), Err(IncomingError::NoReport | IncomingError::TooManyParts)));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(letter in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(read(&letter, &mailboxes()).is_err());
    }

    #[test]
    fn real_reports_that_were_cut_and_mixed_up_are_read_or_refused(
        which in 0_usize..3,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..60, prop::collection::vec(any::<u8>(), 0..8)), 0..12)) {
        let mut letter = [FAILED, DELAYED, COMPLAINT][which].as_bytes().to_vec();
        for (at, removed, added) in edits {
            let at = at.index(letter.len() + 1);
            let end = (at + removed).min(letter.len());
            letter.splice(at..end, added);
        }
        if let Ok(Incoming::Bounce(bounce)) = read(&letter, &mailboxes()) {
            prop_assert!(bounce.token.expose().len() <= TOKEN_OCTETS_MAX);
        }
    }

    #[test]
    fn real_reports_built_of_lines_in_any_order_are_read_or_refused(which in 0_usize..3, order in prop::collection::vec(any::<prop::sample::Index>(), 0..80)) {
        let lines: Vec<&str> = [FAILED, DELAYED, COMPLAINT][which].lines().collect();
        let letter: String = order.iter().map(|at| format!("{}\n", lines[at.index(lines.len())])).collect();
        let _ = read(letter.as_bytes(), &mailboxes());
    }
}

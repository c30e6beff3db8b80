//! Answers of a real responder, the one that OpenSSL has, over files.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use jiff::SignedDuration;
use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::domain::rejection::RejectionCode;
use crate::identity::testing::{Ca, CrlSketch, Leaf, Tree};
use crate::identity::{Door, IssuerKind, TrustSettings};

const ANNA: &str = "TSTNMT2321000156-P001";
/// As the leaves of the tree have it.
const SERIAL: &str = "4A01";
const URL: &str = "http://ocsp.region.example/";

/// A responder: what it knows, and with whose key it signs.
struct Responder {
    index: String,
    signer: PathBuf,
    arguments: Vec<&'static str>,
}

impl Responder {
    /// Signs with the key of the CA itself.
    fn of(tree: &Tree, ca: &Ca) -> Responder {
        let signer = tree.write("signer.pem", format!("{}{}", ca.pem(), ca.key().serialize_pem()));
        Responder { index: Responder::valid(), signer, arguments: vec!["-ndays", "1"] }
    }

    /// Signs with a certificate of its own, issued by `ca` for `purpose`.
    fn appointed(tree: &Tree, ca: &Ca, purpose: ExtendedKeyUsagePurpose) -> Responder {
        let key = KeyPair::generate().unwrap();
        let mut params = Leaf::system(ca, "").params;
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, ca).unwrap();
        let signer = tree.write("appointed.pem", format!("{}{}", certificate.pem(), key.serialize_pem()));
        Responder { signer, ..Responder::of(tree, ca) }
    }

    fn valid() -> String {
        format!("V\t301122000000Z\t\t{SERIAL}\tunknown\t/CN=x\n")
    }

    /// The answer, and when it was made.
    fn answer(&self, tree: &Tree, question: &OcspQuestion) -> (Vec<u8>, Timestamp) {
        let [ca, index] = [tree.write("ca.pem", tree.person.pem()), tree.write("index.txt", &self.index)];
        let asked = tree.write("asked.der", &question.request);
        let told = tree.dir.path().join("told.der");
        let made = Command::new("openssl")
            .args(["ocsp", "-index"])
            .arg(index)
            .arg("-CA")
            .arg(ca)
            .arg("-rsigner")
            .arg(&self.signer)
            .arg("-rkey")
            .arg(&self.signer)
            .arg("-reqin")
            .arg(asked)
            .arg("-respout")
            .arg(&told)
            .args(&self.arguments)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let made_at = fs::metadata(&told).unwrap().modified().unwrap().try_into().unwrap();
        (fs::read(told).unwrap(), made_at)
    }
}

fn asking(tree: &Tree, source: RevocationSource) -> TrustSettings {
    let mut settings = tree.settings();
    settings.staff[0].revocation = source;
    settings.staff[0].ocsp_url = Some(URL.to_owned());
    settings
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at + SignedDuration::from_secs(seconds)
}

/// A card, the question about it, and the answer of `responder` at the time it was made.
fn told(
    tree: &Tree,
    responder: &Responder,
) -> (Trust, CertificateDer<'static>, Result<OcspSaid, OcspError>, Timestamp) {
    let trust = Trust::load(&asking(tree, RevocationSource::Ocsp)).unwrap();
    let card = tree.card(ANNA).der();
    let question = question(&trust, &card);
    let (answer, now) = responder.answer(tree, &question);
    let said = trust.take_ocsp_answer(&question, &answer, now);
    (trust, card, said, now)
}

fn question(trust: &Trust, card: &CertificateDer<'static>) -> OcspQuestion {
    trust.ocsp_question(Door::Staff, std::slice::from_ref(card), crate::identity::testing::now()).unwrap()
}

fn code(trust: &Trust, card: &CertificateDer<'static>, now: Timestamp) -> Option<RejectionCode> {
    trust.judge(Door::Staff, std::slice::from_ref(card), now).err().map(|rejection| rejection.code)
}

#[test]
fn the_question_is_byte_for_byte_the_one_that_openssl_asks() {
    let tree = Tree::grow();
    let trust = Trust::load(&asking(&tree, RevocationSource::Ocsp)).unwrap();
    let card = tree.card(ANNA).with(|params| params.serial_number = Some(vec![0x9f, 1, 2].into())).der();
    let question = question(&trust, &card);
    let (issuer, leaf) = (tree.write("ca.pem", tree.person.pem()), tree.write("card.der", &card));
    let asked = tree.dir.path().join("asked.der");
    let mut openssl = Command::new("openssl");
    openssl.args(["ocsp", "-no_nonce", "-issuer"]).arg(issuer).arg("-cert").arg(leaf).arg("-reqout").arg(&asked);
    assert!(openssl.status().unwrap().success());
    assert_eq!(question.request, fs::read(asked).unwrap());
    assert_eq!(question.url, URL);
}

#[test]
fn a_good_answer_lets_in_until_it_ends_and_nobody_is_asked_meanwhile() {
    let tree = Tree::grow();
    let (trust, card, said, now) = told(&tree, &Responder::of(&tree, &tree.person));
    assert_eq!(said, Ok(OcspSaid::Good));
    let ask = |at| trust.ocsp_question(Door::Staff, std::slice::from_ref(&card), at);
    assert_eq!((code(&trust, &card, now), ask(now)), (None, None));
    // The setting's hour ends before the answer's day does.
    assert_eq!(code(&trust, &card, later(now, 3_599)), None);
    assert_eq!(code(&trust, &card, later(now, 3_601)), Some(RejectionCode::RevocationUnknown));
    assert!(ask(later(now, 3_601)).is_some());
    // A reload keeps what has been answered.
    let renewed = trust.reload(&asking(&tree, RevocationSource::Ocsp)).unwrap();
    assert_eq!(code(&renewed, &card, now), None);
    let other = tree.card(ANNA).with(|params| params.serial_number = Some(vec![0x4a, 2].into())).der();
    assert_eq!(code(&trust, &other, now), Some(RejectionCode::RevocationUnknown), "an answer is about one");
}

#[test]
fn a_revoked_certificate_is_refused_with_the_time_and_an_unknown_one_is_not_good() {
    let tree = Tree::grow();
    let mut responder = Responder::of(&tree, &tree.person);
    responder.index = format!("R\t301122000000Z\t261101000000Z,keyCompromise\t{SERIAL}\tunknown\t/CN=x\n");
    let (trust, card, said, now) = told(&tree, &responder);
    assert_eq!(said, Ok(OcspSaid::Revoked { at: "2026-11-01T00:00:00Z".parse().unwrap() }));
    assert_eq!(code(&trust, &card, now), Some(RejectionCode::Revoked));

    responder.index = Responder::valid().replace(SERIAL, "77");
    let (trust, card, said, now) = told(&tree, &responder);
    assert_eq!(said, Err(OcspError::UnknownCertificate));
    assert_eq!(code(&trust, &card, now), Some(RejectionCode::RevocationUnknown));
    let question = question(&trust, &card);
    assert!(!trust.ocsp_is_settled(&question, now));
    trust.note_no_ocsp_answer(&question, now);
    assert!(trust.ocsp_is_settled(&question, later(now, 9)) && !trust.ocsp_is_settled(&question, later(now, 11)));
    assert_eq!(code(&trust, &card, now), Some(RejectionCode::RevocationUnknown));
}

#[test]
fn only_the_issuer_and_whom_it_appointed_sign_answers() {
    let tree = Tree::grow();
    let appointed = |ca: &Ca, purpose| Responder::appointed(&tree, ca, purpose);
    let signing = ExtendedKeyUsagePurpose::OcspSigning;
    assert_eq!(told(&tree, &appointed(&tree.person, signing.clone())).2, Ok(OcspSaid::Good));
    let mut by_key = appointed(&tree.person, signing.clone());
    by_key.arguments.push("-resp_key_id");
    assert_eq!(told(&tree, &by_key).2, Ok(OcspSaid::Good));
    let mut alone = appointed(&tree.person, signing.clone());
    alone.arguments.push("-resp_no_certs");
    assert_eq!(told(&tree, &alone).2, Err(OcspError::Signer), "its certificate has to come along");

    let wrong = appointed(&tree.person, ExtendedKeyUsagePurpose::ClientAuth);
    assert_eq!(told(&tree, &wrong).2, Err(OcspError::Signer), "a card is no responder");
    assert_eq!(told(&tree, &appointed(&tree.function, signing)).2, Err(OcspError::Signer));
    assert_eq!(told(&tree, &Responder::of(&tree, &tree.function)).2, Err(OcspError::Signer));
    let impostor = tree.ca(crate::identity::testing::PERSON_CA);
    assert_eq!(told(&tree, &Responder::of(&tree, &impostor)).2, Err(OcspError::BadSignature), "of the same name");
    let mut weak = Responder::of(&tree, &tree.person);
    weak.arguments.extend(["-rmd", "sha1"]);
    assert!(told(&tree, &weak).2.is_err());
}

#[test]
fn an_answer_of_another_time_says_nothing() {
    let tree = Tree::grow();
    let trust = Trust::load(&asking(&tree, RevocationSource::Ocsp)).unwrap();
    let question = question(&trust, &tree.card(ANNA).der());
    let (answer, now) = Responder::of(&tree, &tree.person).answer(&tree, &question);
    let at = |seconds| trust.take_ocsp_answer(&question, &answer, later(now, seconds));
    let day = 24 * 60 * 60;
    assert_eq!((at(-200), at(day - 5)), (Ok(OcspSaid::Good), Ok(OcspSaid::Good)));
    assert_eq!((at(-400), at(day + 5)), (Err(OcspError::NotYet), Err(OcspError::Stale)));
    let mut momentary = Responder::of(&tree, &tree.person);
    momentary.arguments.clear();
    let (answer, now) = momentary.answer(&tree, &question);
    let at = |seconds| trust.take_ocsp_answer(&question, &answer, later(now, seconds));
    assert_eq!((at(500), at(700)), (Ok(OcspSaid::Good), Err(OcspError::Stale)), "without a next update");
}

#[test]
fn no_damage_makes_an_answer_say_something_else() {
    let tree = Tree::grow();
    let mut responder = Responder::of(&tree, &tree.person);
    responder.arguments.push("-resp_no_certs");
    responder.index = format!("R\t301122000000Z\t261101000000Z\t{SERIAL}\tunknown\t/CN=x\n");
    let (trust, card, said, now) = told(&tree, &responder);
    let question = question(&Trust::load(&asking(&tree, RevocationSource::Ocsp)).unwrap(), &card);
    let (answer, _) = responder.answer(&tree, &question);
    for place in 0..answer.len() {
        for bit in 0..8 {
            let mut damaged = answer.clone();
            damaged[place] ^= 1 << bit;
            let told = trust.take_ocsp_answer(&question, &damaged, now);
            assert!(told.is_err() || told == said, "octet {place}, bit {bit}: {told:?}");
        }
        assert!(trust.take_ocsp_answer(&question, &answer[..place], now).is_err());
    }
    for (status, text) in
        [(3, "wants to be asked later"), (6, "answers no questions of ours, or none about this issuer")]
    {
        let told = trust.take_ocsp_answer(&question, &[0x30, 3, 0x0a, 1, status], now);
        assert_eq!(told, Err(OcspError::Refused(text)));
    }
}

#[test]
fn with_lists_first_a_responder_is_asked_only_where_they_are_silent_and_a_listed_card_stays_out() {
    let tree = Tree::grow();
    let mut settings = asking(&tree, RevocationSource::CrlThenOcsp);
    let card = tree.card(ANNA).der();
    let now = crate::identity::testing::now();
    let ask = |trust: &Trust, at| trust.ocsp_question(Door::Staff, std::slice::from_ref(&card), at);
    let bare = Trust::load(&settings).unwrap();
    assert!(ask(&bare, now).is_some(), "there is no list");
    settings.crls = vec![tree.write("list.crl", CrlSketch::new(1, &[]).signed_by(&tree.person))];
    let listing = Trust::load(&settings).unwrap();
    assert_eq!((code(&listing, &card, now), ask(&listing, now)), (None, None));
    let stale = later(now, 30 * 24 * 60 * 60);
    assert_eq!(code(&listing, &card, stale), Some(RejectionCode::CrlStale));
    assert!(ask(&listing, stale).is_some());
    for source in [RevocationSource::Ocsp, RevocationSource::CrlThenOcsp] {
        let mut settings = asking(&tree, source);
        settings.crls = vec![tree.write("list.crl", CrlSketch::new(1, &[&[0x4a, 1]]).signed_by(&tree.person))];
        let trust = Trust::load(&settings).unwrap();
        assert_eq!((code(&trust, &card, now), ask(&trust, now)), (Some(RejectionCode::Revoked), None));
    }
    // Where anything else is wrong, nobody is asked about it.
    let expired = later(now, 10 * 365 * 24 * 60 * 60);
    assert!(ask(&bare, expired).is_none() && ask(&Trust::load(&tree.settings()).unwrap(), now).is_none());
    assert!(bare.ocsp_question(Door::Portal, std::slice::from_ref(&card), now).is_none());
    let silent = tree.issuer(&tree.person, IssuerKind::PersonHsaId { loa: 3 });
    settings.staff = vec![crate::identity::IssuerSettings { revocation: RevocationSource::Ocsp, ..silent }];
    assert!(ask(&Trust::load(&settings).unwrap(), now).is_none(), "nobody says whom to ask");
}

#[test]
fn answers_are_remembered_up_to_a_bound_the_longest_lasting_ones() {
    let answers = OcspAnswers::default();
    let now = crate::identity::testing::now();
    for n in 0..u32::try_from(REMEMBERED_MAX).unwrap() + 5 {
        let about = ([0; 32], Serial::from_raw(&n.to_be_bytes()).unwrap());
        let remembered = Remembered { said: Some(OcspSaid::Good), until: later(now, 60 + i64::from(n)) };
        answers.remember(about, remembered, now);
    }
    let said = |n: u32| answers.said(&([0; 32], Serial::from_raw(&n.to_be_bytes()).unwrap()), now);
    assert_eq!(answers.all().len(), REMEMBERED_MAX);
    assert_eq!((said(4), said(5)), (None, Some(OcspSaid::Good)));
}

//! What `README.txt` of a prepared directory says. Who writes it there is the parent's.

use std::path::Path;

/// A filled-in question form of the sample region: somebody who wants to be rung.
const RESPONSE: &str = include_str!("../../../config/region/samples/kontakta-mig.question.response.json");
/// What the support tells of it, at once.
const INCIDENT: &str = r#"{
"title": {"sv": "Inloggning med SITHS-kort fungerar inte", "en": "SITHS cards cannot log in"},
"body": {"sv": "Är du redan inloggad kan du arbeta vidare.", "en": "If you are logged in you can go on."},
"audience": "staff",
"affected": [{"component": "siths", "status": "major_outage"}],
"hold": 0
}"#;
/// Space for a file's name before its explanation, in columns.
const NAME_COLUMNS: usize = 34;
const FILES: [(&str, &str); 24] = [
    ("budkavle.toml", "the configuration; every path in it points into this directory"),
    ("region/", "the sample region: clinics, case types, forms, staff, roles, portals, services, support, questions"),
    ("data/", "the stores: cases and everything else, sealed"),
    ("mail/", "the letters that went out, one .eml each"),
    ("master.key", "opens the stores; without it they stay shut"),
    ("ca/*.pem", "authorities named as in the SITHS test tree, and one of Telia's; made here, keys thrown away"),
    ("ca/*.crl", "revocation lists, good for 30 days"),
    ("tls/server-ca.pem", "trust this one to reach the doors"),
    ("tls/server.{pem,key}", "what the doors show: localhost, 127.0.0.1, ::1"),
    ("tls/portal.{pem,key}", "a registered citizen portal, TSTNMT2321000156-P001"),
    ("tls/staff-system.{pem,key}", "a registered staff system, TSTNMT2321000156-P002"),
    ("tls/stranger.{pem,key}", "a good certificate of a system that is not registered: 403"),
    ("cards/receiver.*", "Anna Åkesson, sees and distributes the clinic's cases"),
    ("cards/handler.*", "Björn Öberg, answers cases"),
    ("cards/other-handler.*", "Cecilia Lindqvist, answers other cases"),
    ("cards/administrator.*", "David Sjöholm, roles, case types and texts"),
    ("cards/manager.*", "Eva Hedström, clinic manager and log reviewer"),
    ("cards/support.*", "Fatima Rahimi, support at Kundservice: disturbances, planned work, tickets"),
    ("cards/{telia,person-id,mobile}.*", "refused: not the card's SITHS certificate with an HSA-id"),
    ("cards/{signing,loa-2}.*", "refused: for signing documents; a reserve card"),
    ("cards/{no-hsa-id,malformed-hsa-id}.*", "refused: no HSA-id, half of one"),
    ("cards/{expired,not-yet,revoked}.*", "refused: good once, good later, withdrawn"),
    ("cards/no-post.*", "refused: nobody in the staff directory"),
    ("cards/no-role.*", "refused: in the staff directory, but without a role"),
];

/// The whole text. `dir` should be absolute, so that the commands can be run from anywhere; the doors are at
/// `port_base` and the three ports above it.
pub fn text(dir: &Path, port_base: u16) -> String {
    let [portal, staff, public, card_test] = [0, 1, 2, 3].map(|step| u32::from(port_base) + step);
    let place = dir.display();
    let config = in_dir(dir, "budkavle.toml");
    let files: String = FILES.iter().map(|(name, what)| format!("  {name:<NAME_COLUMNS$}  {what}\n")).collect();
    let portal_call = curl(dir, "tls/portal");
    let receiver_call = curl(dir, "cards/receiver");
    let telia_call = curl(dir, "cards/telia");
    let support_call = curl(dir, "cards/support");
    let anybodys_call = format!("curl --cacert {}", in_dir(dir, "tls/server-ca.pem"));
    let response = RESPONSE.trim_end();
    format!(
        r#"A region to try Budkavle with
=============================

Everything in {place} is made up: people, clinics, certificates.
Certificates last 90 days. Start the gateway with

  budkavle run --config {config}

Doors, all on localhost over TLS:

  https://localhost:{portal}/  portal     systems with a registered certificate
  https://localhost:{staff}/  staff      people with a card
  https://localhost:{public}/  public     everybody: status and support
  https://localhost:{card_test}/  card-test  what a card is, and which door would take it

Files:

{files}
Each card is a .pem and .key for programs and a .p12 (password: demo) for a
browser. A .pem holds the certificate and the authority that issued it, roots
left out. The cards to be refused break one rule each; the answer names it. With
receiver.p12 in a browser, https://localhost:{staff}/ has pages to log in at.

Six things to try
-----------------

1. The portal sends a case. Run it twice: the second answer is the first one
   again, with the same receipt, because the Idempotency-Key is the same.

{portal_call} -H 'Content-Type: application/json' -H 'Idempotency-Key: readme-1' --data-binary @- https://localhost:{portal}/v1/cases <<'CASE'
{{
"clinic": "TSTNMT2321000156-A001",
"caseType": "kontakta-mig",
"senderReference": "readme-1",
"citizen": {{
  "identifier": {{"system": "urn:oid:1.2.752.129.2.1.3.1", "value": "191212121212"}},
  "name": "Tolvan Tolvansson",
  "protected": false
}},
"representative": null,
"contact": {{"email": "tolvan@example.test", "language": "sv"}},
"response": {response}
}}
CASE

2. The receiver looks at the inbox, where it waits.

{receiver_call} https://localhost:{staff}/v1/inbox

3. Somebody shows the Telia certificate of the card: one problem that says
   which certificate was shown and which one to choose, and nothing else.

{telia_call} https://localhost:{staff}/v1/whoami

4. The support tells that SITHS is down. A browser shows it at
   https://localhost:{public}/status (it does not know tls/server-ca.pem: go on
   past its warning).

{support_call} -H 'Content-Type: application/json' --data-binary @- https://localhost:{staff}/v1/status/incidents <<'INCIDENT'
{INCIDENT}
INCIDENT

5. A program reads the same, with no certificate of its own.

{anybodys_call} https://localhost:{public}/api/v2/summary.json

6. Any card is tried: what it is, and which door would take it, or why not. A
   browser shows it as a page; it lets nobody in.

{telia_call} https://localhost:{card_test}/v1/card-test
"#
    )
}

/// The part of a call that says whom to trust and who calls.
fn curl(dir: &Path, caller: &str) -> String {
    let [authority, certificate, key] =
        ["tls/server-ca.pem", &format!("{caller}.pem"), &format!("{caller}.key")].map(|file| in_dir(dir, file));
    format!("curl --cacert {authority} --cert {certificate} --key {key}")
}

fn in_dir(dir: &Path, file: &str) -> String {
    quoted(&dir.join(file).to_string_lossy())
}

/// One word of a shell, whatever stands in it.
pub fn quoted(word: &str) -> String {
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-@:=,".contains(c)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_case_that_it_shows_is_json_for_a_case_type_that_the_clinic_offers() {
        let text = text(Path::new("/tmp/try"), 8440);
        let body = text.split_once("<<'CASE'\n").unwrap().1.split_once("\nCASE\n").unwrap().0;
        let case: serde_json::Value = serde_json::from_str(body).unwrap();
        let questionnaire = case["response"]["questionnaire"].as_str().unwrap();
        assert!(questionnaire.contains(&format!("/{}-question|", case["caseType"].as_str().unwrap())));
        let types: serde_json::Value =
            serde_json::from_str(include_str!("../../../config/region/case-types.json")).unwrap();
        let offered = types.as_array().unwrap().iter().find(|t| t["id"] == case["caseType"]).unwrap();
        assert!(offered["clinics"].as_array().unwrap().contains(&case["clinic"]));
    }

    #[test]
    fn the_incident_that_it_shows_is_json_about_a_component_of_the_region() {
        let incident: serde_json::Value = serde_json::from_str(INCIDENT).unwrap();
        let file = include_str!("../../../config/region/components.json");
        let region: serde_json::Value = serde_json::from_str(file).unwrap();
        let mut components = region["components"].as_array().unwrap().iter();
        assert!(components.any(|component| component["slug"] == incident["affected"][0]["component"]));
    }

    #[test]
    fn a_shell_reads_six_calls_even_where_the_directory_has_spaces_and_quotes() {
        let text = text(Path::new("/tmp/Anna's try $HOME"), 8440);
        let commands: Vec<&str> = text.split("\n\n").filter(|paragraph| paragraph.starts_with("curl ")).collect();
        let commands = commands.join("\n");
        let script = format!("curl() {{ printf '%s|' \"$@\"; echo; }}\n{commands}");
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let calls = String::from_utf8(output.stdout).unwrap();
        let calls: Vec<&str> = calls.lines().collect();
        assert_eq!(calls.len(), 6, "{calls:?}");
        assert!(calls[0].contains("|--key|/tmp/Anna's try $HOME/tls/portal.key|"), "{}", calls[0]);
        assert!(calls[0].ends_with("|https://localhost:8440/v1/cases|"), "{}", calls[0]);
        assert!(calls[1].ends_with("/cards/receiver.key|https://localhost:8441/v1/inbox|"), "{}", calls[1]);
        assert!(calls[2].ends_with("/cards/telia.key|https://localhost:8441/v1/whoami|"), "{}", calls[2]);
        assert!(calls[3].ends_with("|https://localhost:8441/v1/status/incidents|"), "{}", calls[3]);
        let anybodys = "--cacert|/tmp/Anna's try $HOME/tls/server-ca.pem|https://localhost:8442/api/v2/summary.json|";
        assert_eq!(calls[4], anybodys);
        assert!(calls[5].ends_with("/cards/telia.key|https://localhost:8443/v1/card-test|"), "{}", calls[5]);
    }

    #[test]
    fn the_doors_stand_at_the_base_port_and_above_it_up_to_the_last_port() {
        let text = text(Path::new("/tmp/try"), 65532);
        for (port, door) in [(65532, "portal"), (65533, "staff"), (65534, "public"), (65535, "card-test")] {
            assert!(text.contains(&format!("https://localhost:{port}/  {door}")), "{door}");
        }
    }
}

//! sslyze at every door: nothing that it knows of may be found.

use serde_json::Value;

use crate::common::Region;
use crate::doors_for_certificates;
use crate::handshakes::NO_LIMITS;
use crate::python::{output, program};

const NAME: &str = "sslyze_finds_nothing_at_any_door";
/// TLS 1.2's only suites: ephemeral keys, authenticated encryption.
const SUITES_OF_TLS_1_2: [&str; 3] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
];
const CURVES: [&str; 3] = ["X25519", "secp256r1", "secp384r1"];

/// What sslyze reports, by its pointer below a door's `scan_result`, and what is sound.
const SOUND: [(&str, &str); 14] = [
    ("/ssl_3_0_cipher_suites/result/is_tls_version_supported", "false"),
    ("/tls_1_0_cipher_suites/result/is_tls_version_supported", "false"),
    ("/tls_1_1_cipher_suites/result/is_tls_version_supported", "false"),
    ("/tls_1_2_cipher_suites/result/is_tls_version_supported", "true"),
    ("/tls_1_3_cipher_suites/result/is_tls_version_supported", "true"),
    ("/tls_compression/result/supports_compression", "false"),
    ("/tls_1_3_early_data/result/supports_early_data", "false"),
    ("/openssl_ccs_injection/result/is_vulnerable_to_ccs_injection", "false"),
    ("/tls_fallback_scsv/result/supports_fallback_scsv", "true"),
    ("/heartbleed/result/is_vulnerable_to_heartbleed", "false"),
    ("/robot/result/robot_result", "\"NOT_VULNERABLE_RSA_NOT_SUPPORTED\""),
    ("/session_renegotiation/result/is_vulnerable_to_client_renegotiation_dos", "false"),
    ("/session_renegotiation/result/supports_secure_renegotiation", "true"),
    ("/tls_extended_master_secret/result/supports_ems_extension", "true"),
];

#[test]
fn sslyze_finds_nothing_at_any_door() {
    let Some(mut with_certificate) = program(NAME, "sslyze") else { return };
    let gateway = Region::prepare().with(NO_LIMITS).run();
    let asking = doors_for_certificates(&gateway).map(|(name, door, _)| (name, door.port()));
    let doors: Vec<_> = asking.into_iter().chain([("public", gateway.public_door.port())]).collect();
    let targets: Vec<_> = doors.iter().map(|(_, port)| format!("localhost:{port}")).collect();
    let path = |name: &str| gateway.region.path(name);
    with_certificate.arg("--cert").arg(path("tls/portal.pem")).arg("--key").arg(path("tls/portal.key"));
    with_certificate.args(["--certinfo", "--certinfo_ca_file"]).arg(path("tls/server-ca.pem"));
    with_certificate.args(["--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--elliptic_curves"]);
    with_certificate.args(["--reneg", "--robot", "--heartbleed", "--openssl_ccs", "--fallback", "--ems"]);
    with_certificate.args([
        "--compression",
        "--early_data",
        "--resum",
        "--mozilla_config",
        "disable",
        "--json_out",
        "-",
    ]);
    // Its OpenSSL for SSL 2 reads no elliptic key: there it comes without one.
    let mut oldest = program(NAME, "sslyze").expect("found above");
    oldest.args(["--sslv2", "--mozilla_config", "disable", "--json_out", "-"]);
    let scans = [with_certificate, oldest].map(|mut command| {
        command.args(&targets);
        serde_json::from_str::<Value>(&output(command, "")).unwrap()
    });
    for (name, port) in doors {
        let [found, oldest] = [0, 1].map(|at| of_door(&scans[at], port));
        for (pointer, sound) in SOUND {
            let told = found.pointer(pointer).map(Value::to_string);
            assert_eq!(told.as_deref(), Some(sound), "{name}: {pointer}");
        }
        let oldest = oldest.pointer("/ssl_2_0_cipher_suites/result/is_tls_version_supported");
        assert_eq!(oldest, Some(&Value::Bool(false)), "{name}: SSL 2");
        suites_and_curves_are_ours(name, found);
        certificate_is_sound(name, found);
        // Whoever has to be judged each time is resumed by no kind of session.
        if matches!(name, "portal" | "card-test") {
            for kind in ["session_id", "tls_ticket"] {
                let told = &found["session_resumption"]["result"][format!("{kind}_successful_resumptions_count")];
                assert_eq!(told, 0, "{name}: {kind}");
            }
        }
    }
}

fn of_door(scan: &Value, port: u16) -> &Value {
    let doors = scan["server_scan_results"].as_array().unwrap();
    let door = doors.iter().find(|door| door["server_location"]["port"] == port).unwrap();
    &door["scan_result"]
}

fn suites_and_curves_are_ours(name: &str, found: &Value) {
    let suites = found["tls_1_2_cipher_suites"]["result"]["accepted_cipher_suites"].as_array().unwrap();
    assert!(!suites.is_empty());
    for suite in suites {
        let suite = suite["cipher_suite"]["name"].as_str().unwrap();
        assert!(SUITES_OF_TLS_1_2.contains(&suite), "{name}: {suite}");
    }
    let curves = found["elliptic_curves"]["result"]["supported_curves"].as_array().unwrap();
    assert!(!curves.is_empty());
    for curve in curves {
        let curve = curve["name"].as_str().unwrap();
        assert!(CURVES.contains(&curve), "{name}: {curve}");
    }
}

/// Under the demo's own authority, which no public store knows: that exception is the only one.
fn certificate_is_sound(name: &str, found: &Value) {
    let result = &found["certificate_info"]["result"];
    let [deployment] = result["certificate_deployments"].as_array().unwrap().as_slice() else {
        panic!("{name}: not one certificate: {result}");
    };
    let stores = deployment["path_validation_results"].as_array().unwrap();
    let ours = stores.iter().find(|store| store["trust_store"]["name"] == "Supplied CA file").unwrap();
    assert_eq!(ours["was_validation_successful"], true, "{name}: {ours}");
    assert_eq!(deployment["received_chain_has_valid_order"], true, "{name}");
    assert_eq!(deployment["received_chain_contains_anchor_certificate"], false, "{name}");
    assert_eq!(deployment["verified_chain_has_sha1_signature"], false, "{name}");
}

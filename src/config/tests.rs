//! The shipped files against the code, and the exact words of faults.

use std::path::Path;

use super::Config;

const REFERENCE: &str = include_str!("../../config/reference.toml");

fn read(source: &str) -> Result<Config, String> {
    Config::read(Path::new("/etc/budkavle/budkavle.toml"), source).map_err(|faults| faults.to_string())
}

fn without(source: &str, at: usize) -> String {
    let lines = source.lines().enumerate().filter(|(n, _)| *n != at);
    lines.map(|(_, line)| format!("{line}\n")).collect()
}

/// Every key that may be left out stands in the reference at its default: without it the configuration is the same.
#[test]
fn the_reference_file_holds_the_defaults() {
    let whole = format!("{:?}", read(REFERENCE).unwrap());
    let mut optional = 0;
    for (at, line) in REFERENCE.lines().enumerate() {
        if line.starts_with('#') || line.starts_with('[') || line.trim().is_empty() {
            continue;
        }
        if let Ok(config) = read(&without(REFERENCE, at)) {
            optional += 1;
            assert_eq!(format!("{config:?}"), whole, "without `{line}`");
        }
    }
    assert_eq!(optional, 66);
}

/// serde lists the known keys of a table when it meets an unknown one: each must be in the reference.
#[test]
fn the_reference_file_holds_every_key() {
    let mut keys = 0;
    for (at, line) in REFERENCE.lines().enumerate() {
        if !line.starts_with('[') && at != 0 {
            continue;
        }
        let mut lines: Vec<&str> = REFERENCE.lines().collect();
        lines.insert(at + 1, "zzz = 1");
        let told = read(&lines.join("\n")).unwrap_err();
        let known = told.lines().find_map(|l| l.split_once("known here: ")).map(|(_, k)| k);
        let known = known.unwrap_or_else(|| panic!("{told}"));
        for key in known.split(", ").map(|k| k.trim_matches(['`', '.', ' '])) {
            let key = key.rsplit("and ").next().unwrap_or(key).trim_matches('`');
            let stands = REFERENCE.lines().any(|l| {
                let l = l.trim_start_matches("# ");
                l.starts_with(&format!("{key} ="))
                    || l.starts_with(&format!("[{key}]"))
                    || l.starts_with(&format!("[[{key}]]"))
                    || l.contains(&format!(".{key}]"))
            });
            assert!(stands, "`{key}` is not in the reference file");
            keys += 1;
        }
    }
    assert!(keys > 40, "{keys}");
}

#[test]
fn production_takes_no_letters_in_a_directory() {
    let source = REFERENCE.replace("transport = \"smtp\"", "transport = \"directory\"\ndirectory = \"mail\"");
    let told = read(&source).unwrap_err();
    assert!(told.contains("production sends letters"), "{told}");
    assert!(read(&source.replace("mode = \"production\"", "mode = \"test\"")).is_ok());
}

/// The second smarthost of the reference file, put in use.
fn with_second(keys: &str) -> String {
    let source = REFERENCE.replace("# [mail.second]", "[mail.second]");
    source.replace("# host = \"smtp2.region.example\"\n# port = 465\n", keys)
}

#[test]
fn a_second_smarthost_is_read_like_the_first_and_says_hello_as_the_first_does() {
    let told =
        format!("{:?}", read(&with_second("host = \"smtp2.region.example\"\nsecurity = \"starttls\"\n")).unwrap().mail);
    assert!(told.contains("host: \"smtp2.region.example\", port: 587"), "{told}");
    assert_eq!(told.matches("hello_name: \"gateway.region.example\"").count(), 2, "{told}");
    for (keys, fault) in [
        ("port = 25\n", "needs `host` and `hello-name`"),
        ("host = \"a b\"\n", "smarthost's DNS name"),
        ("host = \"smtp2.region.example\"\nuser = \"x\"\n", "go together"),
        ("host = \"smtp2.region.example\"\nconnections-max = 2\n", "known here"),
    ] {
        let told = read(&with_second(keys)).unwrap_err();
        assert!(told.contains(fault), "{keys}: {told}");
    }
}

#[test]
fn letters_name_the_from_addresss_domain_or_another_that_is_one() {
    assert_eq!(read(REFERENCE).unwrap().mail_domain, "region.example");
    let domain = |domain: &str| read(&REFERENCE.replace("# domain = \"status.region.example\"", domain));
    assert_eq!(domain("domain = \"Status.Region.Example\"").unwrap().mail_domain, "status.region.example");
    assert!(domain("domain = \"localhost\"").unwrap_err().contains("help: such as \"status.region.example\""));
}

#[test]
fn a_fault_is_told_with_place_caret_and_remedy() {
    let source = REFERENCE.replace("listen = \"0.0.0.0:8440\"", "listen = \"everywhere\"");
    let told = read(&source).unwrap_err();
    let line = source.lines().position(|l| l.contains("everywhere")).unwrap() + 1;
    let expected = format!("/etc/budkavle/budkavle.toml:{line}:10: an IP address and a port to listen on");
    assert!(told.starts_with(&expected), "{told}");
    assert!(told.contains("listen = \"everywhere\"") && told.contains("^^^^^^^^^^^^"), "{told}");
    assert!(told.contains("help: such as \"0.0.0.0:8440\""), "{told}");
}

#[test]
fn issuers_stand_at_their_own_door() {
    let source = REFERENCE.replace("kind = \"function\"", "kind = \"person-hsa-id\"");
    let told = read(&source).unwrap_err();
    assert!(told.contains("does not belong at this door"), "{told}");
}

#[test]
fn several_faults_are_told_at_once() {
    let source =
        REFERENCE.replace("citizen-per-hour = 10", "citizen-per-hour = 0").replace("cache-mib = 64", "cache-mib = 1");
    let source = source.replace("allowed-domains = []", "allowed-domains = [\"@region.example\", \"Region.Example\"]");
    let told = read(&source).unwrap_err();
    assert_eq!(told.matches("help:").count(), 3, "{told}");
}

#[test]
fn lists_are_fetched_by_plain_http_through_a_proxy_from_hosts_that_are_names() {
    let with = |keys: &str| read(&REFERENCE.replace("hosts = []", keys));
    let revocation =
        with("hosts = [\"CRL1.siths.se\"]\nproxy = \"http://proxy.region.example:3128\"").unwrap().revocation;
    assert_eq!(revocation.hosts, ["crl1.siths.se"]);
    let proxy = revocation.proxy.unwrap();
    assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.region.example", 3128));
    for (keys, fault) in [
        ("hosts = [\"http://crl1.siths.se\"]", "a DNS name or an IP address"),
        ("proxy = \"https://proxy.region.example\"", "plain HTTP"),
        ("proxy = \"proxy.region.example:3128\"", "begins with"),
        ("proxy = \"http://proxy.region.example/x\"", "no path"),
    ] {
        let told = with(keys).unwrap_err();
        assert!(told.contains(fault), "{keys}: {told}");
    }
    let written = |urls: &str| read(&REFERENCE.replacen("crl-urls = []", urls, 1));
    let config = written("crl-urls = [\"http://crl.region.example/a.crl\"]").unwrap();
    assert_eq!(config.trust.portal[0].crl_urls, ["http://crl.region.example/a.crl"]);
    assert!(written("crl-urls = [\"ldap://crl.region.example/\"]").unwrap_err().contains("begins with"));
    let many = format!("crl-urls = [{}]", "\"http://a/\", ".repeat(9));
    assert!(written(&many).unwrap_err().contains("at most 8"), "{many}");
}

//! `check certificate`: what a door would say to a certificate, rule by rule, without a running gateway and without its
//! key. Roles, posts and registrations are asked of the gateway itself.

use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::config_fault;
use super::grammar::{CertificateCheck, CheckedDoor, Tongue};
use super::say::{complain, say};
use crate::config::Config;
use crate::crypto::hex;
use crate::daemon::SystemClock;
use crate::domain::id::HsaId;
use crate::domain::language::Language;
use crate::domain::rejection::{Rule, Verdict};
use crate::domain::status::swedish_time;
use crate::domain::time::Clock;
use crate::exit::Exit;
use crate::identity::{Certificate, DoorExamination, Examination, Trust};
use crate::render::{Rejected, Renderer};

/// As much as a handshake may bring.
const FILE_BYTES_MAX: u64 = 64 * 1024;
const CHAIN_CERTIFICATES_MAX: usize = 8;

/// Prints every rule of the door with its verdict: `Ok` who would be let in, `Invalid` who would not.
pub fn certificate(asked: &CertificateCheck) -> Exit {
    match examine(asked) {
        Ok(told) => told,
        Err(exit) => exit,
    }
}

fn examine(asked: &CertificateCheck) -> Result<Exit, Exit> {
    let language = match asked.language {
        Tongue::Sv => Language::Sv,
        Tongue::En => Language::En,
    };
    let now = moment(asked.at.as_deref())?;
    let chain = read_chain(&asked.file)?;
    let config = Config::load(&asked.config).map_err(|error| config_fault(&error))?;
    let unfit = |error: &dyn std::fmt::Display| {
        complain(&format!("{}: {error}", asked.config.display()));
        Exit::Config
    };
    let trust = Trust::load(&config.trust).map_err(|error| unfit(&error))?;
    for fault in trust.crl_faults() {
        complain(&format!("{}: {}", fault.file.display(), fault.error));
    }
    let renderer =
        Renderer::new(config.service.clone(), config.template_dir.as_deref()).map_err(|error| unfit(&error))?;
    let examination = trust.examine(&chain, now);
    let door = match asked.door {
        CheckedDoor::Portal => &examination.portal,
        CheckedDoor::Staff => &examination.staff,
    };
    let told = Told { renderer: &renderer, language, examination: &examination, door, name: asked.door.as_str() };
    if asked.json {
        say(&told.json().to_string());
    } else {
        told.lines();
    }
    Ok(if door.outcome.is_ok() { Exit::Ok } else { Exit::Invalid })
}

fn moment(text: Option<&str>) -> Result<Timestamp, Exit> {
    let now = SystemClock.now();
    let Some(text) = text else { return Ok(now) };
    swedish_time::parse(text, now).map_err(|fault| {
        complain(&format!("--at {text}: {fault}"));
        Exit::Usage
    })
}

/// The certificates of a PEM file in their order, or the one of a DER file.
fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Exit> {
    let fault = |reason: String, exit| {
        complain(&format!("{}: {reason}", path.display()));
        exit
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| fault(error.to_string(), Exit::NoInput))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(fault("larger than 64 KiB".into(), Exit::DataErr));
    }
    if bytes.first() == Some(&0x30) {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).take(CHAIN_CERTIFICATES_MAX).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(fault("no certificate in PEM or DER".into(), Exit::DataErr)),
    }
}

/// An answer in the making. The holder's name and identity number stay in the file.
struct Told<'a> {
    renderer: &'a Renderer,
    language: Language,
    examination: &'a Examination,
    door: &'a DoorExamination,
    name: &'static str,
}

impl Told<'_> {
    fn lines(&self) {
        if let Some(certificate) = &self.examination.certificate {
            for (what, value) in self.fields(certificate) {
                say(&format!("{what:<12} {value}"));
            }
            say("");
        }
        for (rule, verdict) in &self.door.rules {
            let words = self.renderer.rule(*rule, self.language);
            match verdict {
                Verdict::Passed => say(&format!("passed       {words}")),
                Verdict::Failed(code) => say(&format!("FAILED       {words} ({code})")),
                Verdict::NotReached => say(&format!("not reached  {words}")),
            }
        }
        say("");
        match &self.door.outcome {
            Ok(caller) => {
                say(&format!(
                    "As far as the certificate goes, the {} door lets it in as {}.",
                    self.name, caller.hsa_id
                ));
                say(
                    "Whether the gateway knows it (post and role, or the portal's registration) is not asked off line.",
                );
            }
            Err(rejection) => {
                say(&format!("The {} door does not let it in: {}.", self.name, rejection.code));
                let words = self.renderer.rejection(&told(rejection), self.language);
                let detail = words.detail.map(|detail| format!(" {detail}")).unwrap_or_default();
                say(&format!("{}. {}{detail}", words.title, words.text));
                for (number, step) in words.cure.iter().enumerate() {
                    let link = step.link.as_ref().map(|link| format!(" <{link}>")).unwrap_or_default();
                    say(&format!("{:>3}. {}{link}", number + 1, step.text));
                }
            }
        }
    }

    fn fields(&self, certificate: &Certificate) -> Vec<(&'static str, String)> {
        let issuer = certificate.issuer_name.clone().unwrap_or_else(|| "not told: it may be a person's".into());
        let label = self.examination.issuer.as_ref().map(|known| known.label.in_language(self.language));
        let mut fields = vec![
            ("issuer", label.map_or_else(|| issuer.clone(), |label| format!("{issuer} ({label})"))),
            ("serial", certificate.serial.to_string()),
            ("sha256", hex(&certificate.fingerprint)),
            ("valid", format!("{} to {}", certificate.not_before, certificate.not_after)),
        ];
        fields.extend(hsa_id(certificate).map(|hsa_id| ("HSA-id", hsa_id.to_string())));
        if !certificate.policies.is_empty() {
            fields.push(("policies", certificate.policies.join(", ")));
        }
        fields
    }

    fn json(&self) -> Value {
        let rule = |(rule, verdict): &(Rule, Verdict)| {
            let (verdict, code) = match verdict {
                Verdict::Passed => ("passed", None),
                Verdict::Failed(code) => ("failed", Some(code.as_str())),
                Verdict::NotReached => ("not-reached", None),
            };
            let text = self.renderer.rule(*rule, self.language);
            json!({ "rule": rule.as_str(), "text": text, "verdict": verdict, "code": code })
        };
        let certificate = self.examination.certificate.as_ref().map(|certificate| {
            let known = self.examination.issuer.as_ref();
            json!({
                "issuer": certificate.issuer_name,
                "issuerLabel": known.map(|known| known.label.in_language(self.language)),
                "serial": certificate.serial.to_string(),
                "sha256": hex(&certificate.fingerprint),
                "notBefore": certificate.not_before,
                "notAfter": certificate.not_after,
                "hsaId": hsa_id(certificate),
                "policies": certificate.policies,
            })
        });
        let rejection = self.door.outcome.as_ref().err().map(|rejection| {
            let words = self.renderer.rejection(&told(rejection), self.language);
            let cure: Vec<_> = words.cure.into_iter().map(|step| step.text).collect();
            let (title, text, detail) = (words.title, words.text, words.detail);
            json!({ "code": rejection.code, "title": title, "text": text, "detail": detail, "cure": cure })
        });
        json!({
            "door": self.name,
            "letIn": self.door.outcome.is_ok(),
            "level": self.door.outcome.as_ref().ok().and_then(|caller| caller.loa),
            "certificate": certificate,
            "rules": self.door.rules.iter().map(rule).collect::<Vec<_>>(),
            "rejection": rejection,
        })
    }
}

fn told(rejection: &crate::identity::Rejection) -> Rejected<'_> {
    Rejected {
        code: rejection.code,
        issuer: rejection.issuer.as_deref(),
        detail: rejection.detail.as_ref(),
        organisation: rejection.organisation.as_deref(),
    }
}

/// The serialNumber of the subject where it is an HSA-id; on other cards it is a personal identity number.
fn hsa_id(certificate: &Certificate) -> Option<HsaId> {
    certificate.subject_serial_numbers.iter().find_map(|number| HsaId::parse(number.expose()).ok())
}

//! Staff from a directory over LDAP: a real slapd with HSA's attributes, the gateway's copy, and what happens when the
//! directory says something new, something dreadful or nothing.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Gateway, HANDLER, RECEIVER, Region, distributed, received, until};
use crate::directory::{back_with_the_receivers, ldif};

const SCHEMA: &str = include_str!("hsa.schema.ldif");
const SCHEMAS: &str = "/etc/ldap/schema";
/// Longer than slapd needs to begin to listen.
const START_MAX: Duration = Duration::from_secs(20);
const PASSWORD: &str = "lösenord";

/// A directory of our own. It dies with the test.
struct Slapd {
    dir: PathBuf,
    plain: u16,
    tls: u16,
    child: Child,
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Slapd {
    /// With the sample region's staff, or None where there is no slapd.
    async fn start(region: &Region) -> Option<Slapd> {
        Slapd::start_with(region, "", "").await
    }

    /// With more entries, and more of slapd's own settings for its database.
    async fn start_with(region: &Region, entries: &str, settings: &str) -> Option<Slapd> {
        if !Path::new(SCHEMAS).exists() || Command::new("slapd").arg("-VV").output().is_err() {
            skip("there is no slapd: install slapd and ldap-utils");
            return None;
        }
        let dir = region.path("slapd");
        for part in ["conf", "db"] {
            fs::create_dir_all(dir.join(part)).unwrap();
        }
        fs::write(dir.join("hsa.ldif"), SCHEMA).unwrap();
        let tls = |name: &str| region.path("tls").join(name).display().to_string();
        let config = format!(
            "dn: cn=config\nobjectClass: olcGlobal\ncn: config\nolcTLSCACertificateFile: {}\n\
             olcTLSCertificateFile: {}\nolcTLSCertificateKeyFile: {}\nolcTLSVerifyClient: never\n\n\
             dn: cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: schema\n\n\
             include: file://{SCHEMAS}/core.ldif\n\ninclude: file://{SCHEMAS}/cosine.ldif\n\n\
             include: file://{SCHEMAS}/inetorgperson.ldif\n\ninclude: file://{dir}/hsa.ldif\n\n\
             dn: cn=module,cn=config\nobjectClass: olcModuleList\ncn: module\nolcModulePath: /usr/lib/ldap\n\
             olcModuleLoad: back_mdb\n\n\
             dn: olcDatabase=mdb,cn=config\nobjectClass: olcDatabaseConfig\nobjectClass: olcMdbConfig\n\
             olcDatabase: mdb\nolcSuffix: c=SE\nolcRootDN: cn=admin,c=SE\nolcRootPW: admin\nolcDbDirectory: {dir}/db\n\
             olcDbNoSync: TRUE\nolcAccess: to attrs=userPassword by anonymous auth by * none\n\
             olcAccess: to * by dn.exact=\"cn=gateway,c=SE\" read by * none\n{settings}",
            tls("server-ca.pem"),
            tls("server.pem"),
            tls("server.key"),
            dir = dir.display(),
        );
        let staff = ldif(region, str::to_owned).replacen(
            "version: 1\n\n",
            &format!(
                "dn: c=SE\nobjectClass: country\nc: SE\n\ndn: cn=gateway,c=SE\nobjectClass: organizationalRole\n\
                 objectClass: simpleSecurityObject\ncn: gateway\nuserPassword: {PASSWORD}\n\n"
            ),
            1,
        );
        fs::write(dir.join("config.ldif"), config).unwrap();
        fs::write(dir.join("staff.ldif"), staff + entries).unwrap();
        for (number, file) in [("0", "config.ldif"), ("1", "staff.ldif")] {
            let mut add = Command::new("slapadd");
            let added = add.args(["-n", number, "-F"]).arg(dir.join("conf")).arg("-l").arg(dir.join(file)).output();
            let added = added.unwrap();
            assert!(added.status.success(), "{file}: {}", String::from_utf8_lossy(&added.stderr));
        }
        let (plain, tls) = (free_port(), free_port());
        let slapd = Slapd { child: serve(&dir, plain, tls), dir, plain, tls };
        until("slapd listens", START_MAX, async || TcpStream::connect(("127.0.0.1", tls)).ok()).await;
        Some(slapd)
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn start_again(&mut self) {
        self.child = serve(&self.dir, self.plain, self.tls);
        until("slapd listens", START_MAX, async || TcpStream::connect(("127.0.0.1", self.tls)).ok()).await;
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// What the region's own people do to their directory.
    fn modify(&self, changes: &str) {
        let file = self.dir.join("changes.ldif");
        fs::write(&file, changes).unwrap();
        let mut modify = Command::new("ldapmodify");
        modify.args([
            "-x",
            "-H",
            &format!("ldap://127.0.0.1:{}", self.plain),
            "-D",
            "cn=admin,c=SE",
            "-w",
            "admin",
            "-f",
        ]);
        let modified = modify.arg(&file).output().unwrap();
        assert!(modified.status.success(), "{}", String::from_utf8_lossy(&modified.stderr));
    }
}

fn serve(dir: &Path, plain: u16, tls: u16) -> Child {
    let addresses = format!("ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{tls}");
    let mut slapd = Command::new("slapd");
    slapd.args(["-d", "0", "-h", &addresses, "-F"]).arg(dir.join("conf"));
    slapd.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn skip(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED ldap: {why}");
    assert!(std::env::var_os("BUDKAVLE_NOTHING_SKIPPED").is_none_or(|set| set != "1"), "nothing may be skipped: {why}");
}

/// The table that asks this directory, a part of it changed.
fn table(region: &Region, slapd: &Slapd, from: &str, to: &str) -> String {
    fs::write(region.path("password"), PASSWORD).unwrap();
    format!(
        "[directory]\nsource = \"ldap\"\nurl = \"ldaps://localhost:{}\"\nca-file = \"tls/server-ca.pem\"\n\
         bind-dn = \"cn=gateway,c=SE\"\npassword-file = \"password\"\nbase = \"o=Region Test,c=SE\"\n\
         timeout-seconds = 2\n",
        slapd.tls
    )
    .replace(from, to)
}

async fn with_directory() -> Option<(Gateway, Slapd)> {
    let region = Region::prepare();
    let slapd = Slapd::start(&region).await?;
    let table = table(&region, &slapd, "", "");
    Some((region.with(&table).run(), slapd))
}

/// Why a refresh left everything as it was.
#[track_caller]
fn refused(gateway: &Gateway) -> String {
    let told = gateway.operate(&["directory", "refresh"]);
    assert!(!told.status.success());
    String::from_utf8_lossy(&told.stderr).into_owned()
}

fn counted(refreshed: &Value) -> [&Value; 4] {
    ["new", "changed", "unchanged", "removed"].map(|part| &refreshed[part])
}

#[tokio::test]
async fn a_post_that_ends_in_the_directory_ends_here_at_the_next_refresh_and_the_cases_return() {
    let Some((gateway, slapd)) = with_directory().await else { return };
    let case = distributed(&gateway, "1").await;
    let handler = gateway.handler();
    let before = gateway.operated(&["directory", "refresh"]);
    assert_eq!(counted(&before), [&json!(0), &json!(0), &json!(9), &json!(0)], "{before}");
    let as_of = handler.get("/v1/whoami").await.expect(200).json()["directoryAsOf"].clone();
    let ended = "dn: cn=Björn Öberg,ou=TSTNMT2321000156-A001,o=Region Test,c=SE\nchangetype: modify\nadd: hsaEndDate\n\
                 hsaEndDate: 20260131230000Z\n";
    slapd.modify(ended);
    handler.get("/v1/whoami").await.expect(200);
    assert_eq!(counted(&gateway.operated(&["directory", "refresh"]))[1], &json!(1));
    // On the connection that was open all the time.
    assert_eq!(handler.get("/v1/whoami").await.refused(403, "rejected")["rejection"]["code"], "post-ended");
    back_with_the_receivers(&gateway, &case).await;
    let status = gateway.operated(&["directory", "status"]);
    assert_eq!(
        (&status["source"], &status["posts"], &status["lastTry"]["fault"]),
        (&json!("ldap"), &json!(9), &Value::Null)
    );
    assert!(status["asOf"].as_str().unwrap() > as_of.as_str().unwrap());
}

#[tokio::test]
async fn a_directory_that_has_lost_most_people_puts_nobody_out_until_the_loss_is_accepted() {
    let Some((gateway, slapd)) = with_directory().await else { return };
    gateway.operated(&["directory", "refresh"]);
    let staff = fs::read_to_string(slapd.dir.join("staff.ldif")).unwrap();
    let people = staff.lines().filter(|line| line.starts_with("dn: cn=") && line.contains("-A001,"));
    let gone: String = people.skip(1).map(|dn| format!("{dn}\nchangetype: delete\n\n")).collect();
    slapd.modify(&gone);
    assert!(refused(&gateway).contains("--accept-loss"));
    gateway.handler().get("/v1/whoami").await.expect(200);
    let status = gateway.operated(&["directory", "status"]);
    assert!(status["lastTry"]["fault"].as_str().unwrap().contains("of 8 current posts"), "{status}");
    assert_eq!(gateway.operated(&["directory", "refresh", "--accept-loss"])["removed"], 6);
    gateway.handler().get("/v1/whoami").await.refused(403, "rejected");
    gateway.receiver().get("/v1/whoami").await.expect(200);
}

#[tokio::test]
async fn a_directory_of_many_pages_is_read_whole_and_a_part_of_it_is_not_taken_for_it() {
    let unit = "ou=TSTNMT2321000156-A001,o=Region Test,c=SE";
    let many: String = (5000..6200)
        .map(|n| {
            format!(
                "dn: cn=Nr {n},{unit}\nobjectClass: inetOrgPerson\nobjectClass: hsaPerson\ncn: Nr {n}\nsn: {n}\n\
                 givenName: Nr\nhsaIdentity: TSTNMT2321000156-{n}\nhsaStartDate: 20240101000000Z\n\n"
            )
        })
        .collect();
    let paged = "olcLimits: dn.exact=\"cn=gateway,c=SE\" size.soft=500 size.hard=500 size.prtotal=unlimited\n";
    for (settings, told) in [(paged, None), ("olcSizeLimit: 500\n", Some("result 4"))] {
        let region = Region::prepare();
        let Some(slapd) = Slapd::start_with(&region, &many, settings).await else { return };
        let table = table(&region, &slapd, "", "");
        let gateway = region.with(&table).run();
        match told {
            None => {
                gateway.operated(&["directory", "refresh"]);
                assert_eq!(gateway.operated(&["directory", "status"])["posts"], 1_209);
            }
            Some(told) => assert!(refused(&gateway).contains(told)),
        }
    }
}

#[tokio::test]
async fn a_directory_that_is_dead_or_silent_blocks_no_case_and_says_its_age() {
    let Some((gateway, mut slapd)) = with_directory().await else { return };
    let as_of = gateway.operated(&["directory", "refresh"])["asOf"].clone();
    slapd.signal("STOP");
    assert!(refused(&gateway).contains("silent for too long: the TLS handshake"));
    slapd.signal("CONT");
    slapd.stop();
    assert!(refused(&gateway).contains("not reached"));
    let case = distributed(&gateway, "1").await;
    gateway.handler().get(&format!("/v1/cases/{case}")).await.expect(200);
    gateway.operate(&["clock", "advance", "25h"]);
    let status = gateway.operated(&["status"])["directory"].clone();
    assert_eq!((&status["asOf"], &status["tooOld"]), (&as_of, &json!(true)), "{status}");
    assert!(status["ageMinutes"].as_u64().unwrap() >= 25 * 60);
    assert_eq!(gateway.handler().get("/v1/whoami").await.expect(200).json()["directoryAsOf"], as_of);
    received(&gateway.portal(), "2").await;
    slapd.start_again().await;
    gateway.operated(&["directory", "refresh"]);
    assert_eq!(gateway.operated(&["directory", "status"])["tooOld"], false);
}

#[tokio::test]
async fn each_fault_between_us_and_the_directory_is_told_by_its_cause() {
    let region = Region::prepare();
    let Some(slapd) = Slapd::start(&region).await else { return };
    fs::write(region.path("wrong-password"), "gissning").unwrap();
    let start_tls =
        (format!("ldaps://localhost:{}\"", slapd.tls), format!("ldap://localhost:{}\"\nstart-tls = true", slapd.plain));
    let plain_port = format!("localhost:{}", slapd.plain);
    let tls_port = format!("localhost:{}", slapd.tls);
    let mut region = Some(region);
    for (from, to, told) in [
        (start_tls.0.as_str(), start_tls.1.as_str(), None),
        ("tls/server-ca.pem", "ca/function.pem", Some("issuer is not trusted")),
        ("localhost", "127.0.0.1", None),
        ("\"password\"", "\"wrong-password\"", Some("result 49")),
        ("o=Region Test", "o=Region Annan", Some("result 32")),
        ("timeout-seconds", "filter = \"(hsaIdentity=ingen)\"\ntimeout-seconds", Some("no person")),
        (&tls_port, &plain_port, Some("TLS")),
    ] {
        let old = region.take().unwrap();
        let before = fs::read_to_string(old.config()).unwrap();
        let table = table(&old, &slapd, from, to);
        let gateway = old.with(&table).run();
        match told {
            None => assert_eq!(gateway.operated(&["directory", "refresh"])["unchanged"], 9, "{to}"),
            Some(told) => {
                let why = refused(&gateway);
                assert!(why.contains(told), "{to}: {why}");
                assert!(!why.contains(HANDLER) && !why.contains(RECEIVER) && !why.contains(PASSWORD));
                gateway.handler().get("/v1/whoami").await.expect(200);
            }
        }
        let old = gateway.killed();
        fs::write(old.config(), before).unwrap();
        region = Some(old);
    }
}

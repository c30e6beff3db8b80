//! A Postfix of our own: its own configuration, queue and log, TLS only. Everything is delivered into three Maildirs but
//! letters to `FORWARDED`, which are accepted and then found to lead nowhere.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::gateway::comes_true;

/// Its owner's letters are forwarded to a mailbox that is no more.
pub const FORWARDED: &str = "bounceme@example.test";

const NOBODY: u32 = 65_534;
const START_WAIT: Duration = Duration::from_secs(20);

/// Stopped when dropped.
pub struct Postfix {
    dir: PathBuf,
    pub implicit_tls: u16,
    pub starttls: u16,
}

impl Postfix {
    /// A running Postfix below `dir` with a certificate and key of the region, or why there cannot be one.
    pub fn start(dir: &Path, certificate: &Path, key: &Path) -> Result<Postfix, String> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut user = passwd.lines().filter_map(|line| line.strip_prefix("postfix:x:"));
        let user =
            user.next().and_then(|rest| rest.split(':').next()?.parse().ok()).ok_or("there is no user postfix")?;
        for part in ["etc", "log", "spool", "data", "mail"] {
            fs::create_dir_all(dir.join(part)).map_err(|error| error.to_string())?;
        }
        chown(dir.join("data"), Some(user), None).map_err(|error| format!("only root can: {error}"))?;
        for part in ["", "returned", "returned/cur", "returned/new", "returned/tmp"] {
            let part = dir.join("mail").join(part);
            fs::create_dir_all(&part)
                .and_then(|()| chown(&part, Some(NOBODY), Some(NOBODY)))
                .map_err(|e| e.to_string())?;
        }
        let postfix = Postfix { dir: dir.to_owned(), implicit_tls: free_port(), starttls: free_port() };
        postfix.configure(certificate, key);
        postfix.refuse(&[]);
        postfix.run("start")?;
        Ok(postfix)
    }

    /// Starts it again after `stop`.
    pub fn start_again(&self) {
        self.run("start").unwrap();
    }

    pub fn stop(&self) {
        self.run("stop").unwrap();
    }

    /// From its next start these recipients, and no others, are refused for good.
    pub fn refuse(&self, recipients: &[&str]) {
        let refused: Vec<_> = recipients.iter().map(|to| format!("{to} 550 5.1.1 No such user\n")).collect();
        fs::write(self.dir.join("etc/recipients"), refused.concat()).unwrap();
    }

    /// Where letters of `citizens`, of `staff` or of those that came back (`returned`) lie.
    pub fn maildir(&self, whose: &str) -> PathBuf {
        self.dir.join("mail").join(whose)
    }

    /// Whole letters that nobody has taken from there.
    pub fn letters(&self, whose: &str) -> Vec<String> {
        let new = fs::read_dir(self.maildir(whose).join("new"));
        new.into_iter().flatten().flatten().filter_map(|file| fs::read_to_string(file.path()).ok()).collect()
    }

    /// Sends a letter as somebody's mail program does.
    pub fn send(&self, from: &str, to: &str, subject: &str) {
        let mut sendmail = Command::new("sendmail");
        sendmail.arg("-C").arg(self.dir.join("etc")).args(["-i", "-f", from, "--", to]).stdin(Stdio::piped());
        let mut sendmail = sendmail.spawn().unwrap();
        let letter = format!("From: {from}\nTo: {to}\nSubject: {subject}\n\n");
        sendmail.stdin.take().unwrap().write_all(letter.as_bytes()).unwrap();
        assert!(sendmail.wait().unwrap().success(), "{}", self.log());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log/mail.log")).unwrap_or_default()
    }

    fn run(&self, act: &str) -> Result<(), String> {
        let told = self.command(act)?;
        let listens = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        let as_wanted = || (act == "start") == listens(self.implicit_tls) && (act == "start") == listens(self.starttls);
        match comes_true(START_WAIT, as_wanted) {
            true => Ok(()),
            false => Err(format!("postfix {act}: {told} {}", self.log())),
        }
    }

    fn command(&self, act: &str) -> Result<String, String> {
        let output = Command::new("postfix").arg("-c").arg(self.dir.join("etc")).arg(act).output();
        let output = output.map_err(|error| format!("postfix: {error}"))?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn configure(&self, certificate: &Path, key: &Path) {
        let (dir, certificate, key) = (self.dir.display(), certificate.display(), key.display());
        let main = format!(
            "compatibility_level = 3.6
config_directory = {dir}/etc
queue_directory = {dir}/spool
data_directory = {dir}/data
maillog_file = {dir}/log/mail.log
maillog_file_prefixes = {dir}/log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.test
mydestination =
local_transport = error:no local mail
default_transport = error:no outside mail
relay_transport = error:no outside mail
alias_maps =
transport_maps = texthash:{dir}/etc/transport
virtual_alias_maps = texthash:{dir}/etc/forwards
virtual_mailbox_domains = example.test, region.example, status.region.example
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = texthash:{dir}/etc/mailboxes
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = encrypt
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
smtpd_recipient_restrictions = check_recipient_access texthash:{dir}/etc/recipients, reject_unauth_destination
"
        );
        let (implicit_tls, starttls) = (self.implicit_tls, self.starttls);
        let master = format!(
            "{implicit_tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
{starttls} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
tlsmgr unix - - n 1000? 1 tlsmgr
showq unix n - n - - showq
"
        );
        let etc = self.dir.join("etc");
        fs::write(etc.join("main.cf"), main).unwrap();
        fs::write(etc.join("master.cf"), master).unwrap();
        let mailboxes = "@example.test citizens/\n@region.example staff/\n@status.region.example returned/\n";
        fs::write(etc.join("mailboxes"), mailboxes).unwrap();
        fs::write(etc.join("forwards"), format!("{FORWARDED} gone@moved.example\n")).unwrap();
        fs::write(etc.join("transport"), "moved.example error:5.1.1 No such user\n").unwrap();
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.command("stop");
    }
}

/// Outside the range from which connections take theirs: between this look and the bind nobody may come.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

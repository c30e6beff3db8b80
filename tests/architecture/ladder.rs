//! The ladder as data: which room stands where, and in which rooms each library may be imported. Change the house here
//! first, then in `docs/architecture.md` (a test compares them), then in `src/`.

/// A room is a module directly under `src/`. What a room imports stands lower than itself: never higher, never beside it.
/// A room that exists must be named here; a room named here need not exist yet.
pub const LADDER: &[(u8, &[&str])] = &[
    (8, &["main", "lib"]),
    (7, &["cli"]),
    (6, &["daemon"]),
    (5, &["config"]),
    (4, &["admin"]),
    (3, &["http", "outbox", "jobs"]),
    (2, &["usecase"]),
    (1, &["store", "mail", "render", "identity", "directory", "fetch", "admit"]),
    (0, &["domain", "net", "crypto", "signal", "notify", "telemetry", "exit"]),
];

/// Where a library may be imported: in a room, a directory of it, or one file. Of several paths that fit, the longest
/// counts. A library that speaks in more than one place says which half of it speaks where.
pub const LIBRARIES: &[(&str, &[&str])] = &[
    // the command line
    ("clap", &["cli"]),
    ("clap_mangen", &["cli/man.rs"]),
    // the configuration file
    ("toml", &["config"]),
    // HTTP: we serve it in one room, and ask others in two
    ("axum", &["http"]),
    ("tower", &["http"]),
    ("tower_http", &["http"]),
    ("hyper", &["http", "fetch", "cli/demo"]),
    ("hyper::server", &["http"]),
    ("hyper::client", &["fetch", "cli/demo"]),
    ("hyper_util", &["http", "fetch", "cli/demo"]),
    ("hyper_util::server", &["http"]),
    ("hyper_util::client", &["fetch", "cli/demo"]),
    ("http_body_util", &["http", "fetch", "cli/demo"]),
    ("utoipa", &["http"]),
    ("form_urlencoded", &["http/form.rs"]),
    ("multer", &["http/form.rs"]),
    // what lies on disk
    ("sled", &["store/view.rs"]),
    ("crc32fast", &["store"]),
    // letters
    ("lettre", &["mail"]),
    ("minijinja", &["render"]),
    // who is asking
    ("x509_parser", &["identity"]),
    ("webpki", &["identity"]),
    ("csv", &["directory"]),
    ("ldap3", &["directory/ldap.rs"]),
    ("governor", &["admit"]),
    // links of subscribers
    ("data_encoding", &["usecase/subscribers"]),
    // rules
    ("regex", &["domain"]),
    ("idna", &["domain"]),
    // the machine
    ("tokio_rustls", &["net"]),
    ("rustls", &["net"]),
    ("rustls_native_certs", &["net"]),
    ("aws_lc_rs", &["crypto"]),
    ("signal_hook", &["signal"]),
    ("signal_hook_tokio", &["signal"]),
    ("tracing_journald", &["telemetry"]),
    ("tracing_subscriber", &["telemetry"]),
    ("sd_notify", &["notify"]),
    // the demo's throwaway region
    ("rcgen", &["cli/demo"]),
    ("p12_keystore", &["cli/demo"]),
    ("time", &["cli/demo"]),
];

/// Vocabulary that every room may speak, the domain by the list below.
pub const EVERYWHERE: &[&str] = &[
    "arc_swap",
    "base64",
    "futures_util",
    "jiff",
    "rustls_pki_types",
    "serde",
    "serde_json",
    "serde_path_to_error",
    "thiserror",
    "tokio",
    "tracing",
    "uuid",
    "zeroize",
];

/// What the domain may take from outside; it decides, so it neither waits, nor asks a clock, nor touches anything.
pub const DOMAIN_LIBRARIES: &[&str] =
    &["base64", "idna", "jiff", "regex", "serde", "serde_json", "thiserror", "uuid", "zeroize"];

/// Parts of the outside world that the domain never names, whichever library offers them.
pub const DOMAIN_NEVER: &[&str] = &[
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "std::env",
    "std::fs",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// From here a file is named as growing, when the test fails anyway. Lines without inline tests.
pub const FILE_LINES_WARNED: usize = 500;
/// Beyond this it is two files.
pub const FILE_LINES_MAX: usize = 600;

//! Bytes and peers: listeners, TLS settings, idle deadlines, TLS connections out. The only room that imports rustls.
//! No HTTP, no identity: who a certificate belongs to is asked of a [`PeerJudge`] that the daemon hands in.
//!
//! | file | holds |
//! |---|---|
//! | `listener` | an accept loop that nothing from outside can end |
//! | `server_tls` | our certificate, what is asked of the peer, the handshake, reload |
//! | `alert` | what the peer learns of a refused certificate |
//! | `resumption` | TLS sessions that may be resumed, and forgotten by certificate |
//! | `idle` | a stream that fails when nothing has moved for too long |
//! | `outgoing` | TLS connections that we open |

mod alert;
mod idle;
mod listener;
pub mod outgoing;
mod resumption;
mod server_tls;

pub use alert::{Alert, Refused};
pub use idle::IdleIo;
pub use listener::{Accepted, ListenError, Listener};
pub use server_tls::{Alpn, ClientAuth, PeerJudge, ServerTls, ServerTlsSettings, TlsError};

//! Bounded keyed rate limits: who may try again now, and when the others may.
//!
//! The only room for `governor`. What a limit is asked about (a certificate, a citizen's keyed hash, an address) is the
//! caller's business; what a refusal looks like on the wire is `http`'s.

mod limiter;
mod places;

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};

pub use limiter::{Limiter, Period, Settings, Wait};
pub use places::{Place, Places, Taken};

/// The gateway's limits, one bucket for each kind of caller.
///
/// None of them can be unavailable: they are memory. What can happen is that `keys_max` keys are live, and then all of
/// them fail closed: strangers share one bucket, callers that are already known keep their own. That is right even for
/// `address`, where strangers are refused in a flood, because portals connect all the time and so are known before it.
///
/// | limit | key | what a refusal costs |
/// |---|---|---|
/// | `certificate` | the certificate's fingerprint | an answer 429 |
/// | `submission` | the portal's HSA-id | an answer 429, the portal keeps the case and tries again |
/// | `citizen` | the citizen's keyed hash | an answer 429 that the portal shows to the citizen |
/// | `address` | [`IpKey`] | the connection is closed before the handshake |
/// | `replay` | the portal's HSA-id | an answer 429; the stored answer stays |
/// | `tickets` | [`IpKey`], or the HSA-id at the staff door | an answer 429 that names the telephone |
/// | `reporter` | the reporter's mail address | an answer 429 that names the telephone |
/// | `public_connection` | [`IpKey`] | the connection is closed before the handshake; apart from `address`, so that no crowd at the public door keeps portals out |
/// | `public_request` | [`IpKey`] | an answer 429 |
/// | `public_write` | [`IpKey`] | an answer 429 |
/// | `public_page` | [`IpKey`] | an answer 429 |
/// | `card_test` | [`IpKey`] | the connection is closed before the handshake |
/// | `mailbox` | the address's keyed hash | no confirmation letter; the answer is the same as without a limit |
/// | `sign_up_network` | [`IpKey::network`] | an answer 429 |
/// | `sign_up` | none: all together | an answer 429 |
pub struct Limits<C: Clock = DefaultClock> {
    /// Requests of any kind from one certificate.
    pub certificate: Limiter<C>,
    /// New cases from one portal.
    pub submission: Limiter<C>,
    /// New cases about one citizen, whichever portals they come by.
    pub citizen: Limiter<C>,
    /// Connections from one address, before the handshake.
    pub address: Limiter<C>,
    /// Stored answers given again to one portal; they do not count as submissions.
    pub replay: Limiter<C>,
    /// Sign-ups of one mailbox for status letters.
    pub mailbox: Limiter<C>,
    /// Sign-ups from one network.
    pub sign_up_network: Limiter<C>,
    /// Sign-ups in all: what a flood from everywhere may make us send.
    pub sign_up: Limiter<C>,
    /// Support tickets, and words added to them, from one address or person.
    pub tickets: Limiter<C>,
    /// Support tickets whose answer goes to one mail address.
    pub reporter: Limiter<C>,
    /// Connections from one address to the public door, before the handshake.
    pub public_connection: Limiter<C>,
    /// Requests from one address at the public door that have to be worked for.
    pub public_request: Limiter<C>,
    /// Of these the writes: sign-ups, tickets.
    pub public_write: Limiter<C>,
    /// Requests from one address for what lies ready on the shelf.
    pub public_page: Limiter<C>,
    /// Connections from one address to the card test, each with one request.
    pub card_test: Limiter<C>,
}

/// Settings of [`Limits`], each with a default that suits one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsSettings {
    pub certificate: Settings,
    pub submission: Settings,
    pub citizen: Settings,
    pub address: Settings,
    pub replay: Settings,
    pub mailbox: Settings,
    pub sign_up_network: Settings,
    pub sign_up: Settings,
    pub tickets: Settings,
    pub reporter: Settings,
    pub public_connection: Settings,
    pub public_request: Settings,
    pub public_write: Settings,
    pub public_page: Settings,
    pub card_test: Settings,
}

/// 50 a second: above what a region's busiest portal polls and sends, below what slows the others.
const CERTIFICATE: Settings = Settings::new(NonZeroU32::MIN.saturating_add(2_999), Period::Minute, 20_000);
/// A region's whole day is some ten thousand cases; a portal that empties its queue after a stop may send 10 a second.
const SUBMISSION: Settings = Settings::new(NonZeroU32::MIN.saturating_add(599), Period::Minute, 1_000);
/// Nobody has more errands an hour; more is a loop in a portal or a misuse of a person's name.
const CITIZEN: Settings = Settings::new(NonZeroU32::MIN.saturating_add(9), Period::Hour, 200_000);
/// A hospital's staff come from one address: 10 a second for it, which a handshake's cost (under 1 ms) bears.
const ADDRESS: Settings = Settings::new(NonZeroU32::MIN.saturating_add(599), Period::Minute, 100_000);
/// As submissions: a portal that lost its answers may ask for each again once.
const REPLAY: Settings = Settings::new(NonZeroU32::MIN.saturating_add(599), Period::Minute, 1_000);
/// One letter, and two more when it got lost; nobody's mailbox is filled through us.
const MAILBOX: Settings = Settings::new(NonZeroU32::MIN.saturating_add(2), Period::Day, 50_000);
/// A whole hospital may stand behind one network and sign up after the same circular. It is no shield of mailboxes, which
/// `MAILBOX` is: it keeps one network from using up what `SIGN_UP` lets everybody have.
const SIGN_UP_NETWORK: Settings = Settings::new(NonZeroU32::MIN.saturating_add(119), Period::Hour, 50_000);
/// More than a region's staff sign up in an hour after a circular, less than would harm anybody's mail server.
const SIGN_UP: Settings = Settings::new(NonZeroU32::MIN.saturating_add(599), Period::Hour, 1);

/// A whole hospital may report through one address, a few tickets a minute at the worst of times.
const TICKETS: Settings = Settings::new(NonZeroU32::MIN.saturating_add(119), Period::Hour, 50_000);
/// Nobody has more to report an hour; more is a loop, or somebody's mailbox filled through us.
const REPORTER: Settings = Settings::new(NonZeroU32::MIN.saturating_add(9), Period::Hour, 50_000);
/// A whole region may stand behind one address, and in a disturbance all of it looks at once.
const PUBLIC_CONNECTION: Settings = Settings::new(NonZeroU32::MIN.saturating_add(1_199), Period::Minute, 100_000);
/// Forms, history, what is asked for by name: 10 a second for everybody behind one address.
const PUBLIC_REQUEST: Settings = Settings::new(NonZeroU32::MIN.saturating_add(599), Period::Minute, 100_000);
/// A ward that reports the same fault is a handful of people; more is a script.
const PUBLIC_WRITE: Settings = Settings::new(NonZeroU32::MIN.saturating_add(29), Period::Minute, 100_000);
/// Costs a look-up and a copy: 1,000 a second for one address keep a core half idle.
const PUBLIC_PAGE: Settings = Settings::new(NonZeroU32::MIN.saturating_add(59_999), Period::Minute, 100_000);
/// A ward that gets new cards tries them together; each try costs two judgements and a page.
const CARD_TEST: Settings = Settings::new(NonZeroU32::MIN.saturating_add(119), Period::Minute, 50_000);

impl Default for LimitsSettings {
    fn default() -> LimitsSettings {
        LimitsSettings {
            certificate: CERTIFICATE,
            submission: SUBMISSION,
            citizen: CITIZEN,
            address: ADDRESS,
            replay: REPLAY,
            mailbox: MAILBOX,
            sign_up_network: SIGN_UP_NETWORK,
            sign_up: SIGN_UP,
            tickets: TICKETS,
            reporter: REPORTER,
            public_connection: PUBLIC_CONNECTION,
            public_request: PUBLIC_REQUEST,
            public_write: PUBLIC_WRITE,
            public_page: PUBLIC_PAGE,
            card_test: CARD_TEST,
        }
    }
}

impl Limits {
    /// All buckets full.
    pub fn new(settings: LimitsSettings) -> Limits {
        Limits::with_clock(settings, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    /// As `new`, on a clock that a test can hold.
    pub fn with_clock(settings: LimitsSettings, clock: C) -> Limits<C> {
        let limiter = |settings| Limiter::with_clock(settings, clock.clone());
        Limits {
            certificate: limiter(settings.certificate),
            submission: limiter(settings.submission),
            citizen: limiter(settings.citizen),
            address: limiter(settings.address),
            replay: limiter(settings.replay),
            mailbox: limiter(settings.mailbox),
            sign_up_network: limiter(settings.sign_up_network),
            sign_up: limiter(settings.sign_up),
            tickets: limiter(settings.tickets),
            reporter: limiter(settings.reporter),
            public_connection: limiter(settings.public_connection),
            public_request: limiter(settings.public_request),
            public_write: limiter(settings.public_write),
            public_page: limiter(settings.public_page),
            card_test: limiter(settings.card_test),
        }
    }

    /// Forgets everyone whose bucket is full again. For a timer: half a minute is well.
    pub fn sweep(&self) {
        let callers = [&self.certificate, &self.submission, &self.citizen, &self.address, &self.replay, &self.mailbox];
        let support = [&self.tickets, &self.reporter];
        let public = [&self.public_connection, &self.public_request, &self.public_write, &self.public_page];
        let sign_ups = [&self.sign_up_network, &self.sign_up];
        let card_test = [&self.card_test];
        let strangers = public.into_iter().chain(card_test);
        callers.into_iter().chain(support).chain(strangers).chain(sign_ups).for_each(|limiter| limiter.sweep());
    }
}

/// An address as a limit sees it: an IPv4 address, also when it comes mapped into IPv6, or the /64 of an IPv6 address,
/// which is what one subscriber has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpKey([u8; 16]);

impl std::fmt::Debug for IpKey {
    /// An address is somebody's: it reaches no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IpKey(…)")
    }
}

impl IpKey {
    /// The key of a peer's address.
    pub fn new(address: IpAddr) -> IpKey {
        match address.to_canonical() {
            IpAddr::V4(v4) => IpKey(v4.to_ipv6_mapped().octets()),
            IpAddr::V6(v6) => IpKey(Ipv6Addr::from_bits(v6.to_bits() & PREFIX_64).octets()),
        }
    }

    /// The network that an address belongs to: the /24 of an IPv4 address, the /48 of an IPv6 address, which is what one
    /// organisation has.
    pub fn network(&self) -> IpKey {
        let bits = u128::from_be_bytes(self.0);
        let v4 = Ipv6Addr::from_bits(bits).to_ipv4_mapped().is_some();
        IpKey((bits & (u128::MAX << if v4 { 8 } else { 80 })).to_be_bytes())
    }

    /// For [`Limiter::check`].
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

const PREFIX_64: u128 = u128::MAX << 64;

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::time::Duration;

    #[test]
    fn one_subscriber_is_one_key_however_the_address_is_written() {
        let key = |text: &str| IpKey::new(text.parse().unwrap());
        assert_eq!(key("192.0.2.7"), key("::ffff:192.0.2.7"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        for (a, b) in [("192.0.2.7", "192.0.2.8"), ("2001:db8:1:2::1", "2001:db8:1:3::1"), ("::1", "0.0.0.0")] {
            assert_ne!(key(a), key(b));
        }
    }

    #[test]
    fn a_network_is_one_key_and_its_neighbour_another() {
        let network = |text: &str| IpKey::new(text.parse().unwrap()).network();
        assert_eq!(network("192.0.2.7"), network("192.0.2.250"));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:ff::1"));
        for (a, b) in [("192.0.2.7", "192.0.3.7"), ("2001:db8:1::1", "2001:db8:2::1")] {
            assert_ne!(network(a), network(b));
        }
    }

    #[test]
    fn each_limit_has_its_own_bucket_and_the_sweep_reaches_all() {
        let clock = FakeRelativeClock::default();
        let limits = Limits::with_clock(LimitsSettings::default(), clock.clone());
        let all = [
            (&limits.certificate, 3_000),
            (&limits.submission, 600),
            (&limits.citizen, 10),
            (&limits.address, 600),
            (&limits.replay, 600),
            (&limits.mailbox, 3),
            (&limits.sign_up_network, 120),
            (&limits.sign_up, 600),
            (&limits.tickets, 120),
            (&limits.reporter, 10),
            (&limits.public_connection, 1_200),
            (&limits.public_request, 600),
            (&limits.public_write, 30),
            (&limits.public_page, 60_000),
            (&limits.card_test, 120),
        ];
        for (limiter, burst) in all {
            let standing = limiter.check(b"the same key").unwrap();
            assert_eq!((standing.limit, standing.remaining), (burst, burst - 1));
            assert_eq!(limiter.keys(), 1);
        }
        clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
        limits.sweep();
        for (limiter, _) in all {
            assert_eq!(limiter.keys(), 0);
        }
    }
}

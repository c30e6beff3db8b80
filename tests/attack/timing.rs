//! Time tells nothing. Without a certificate's key nobody comes far enough for anything to be looked up, so how long a
//! refusal takes cannot depend on whose certificate it is (that nothing is looked up is asserted in
//! `net/server_tls/tests.rs`; this is what an outsider could measure). With the key one learns in plain words how one
//! stands oneself, and of nobody else.

use std::time::Instant;

use rustls::AlertDescription;

use crate::common::{Gateway, Region};
use crate::handshakes::NO_LIMITS;
use crate::thief::thief;

/// Refusals of each of the two, one after the other in turn.
const MEASURED: usize = 700;
/// Standard deviations of the rank sum. Chance goes so far once in 2,000 times, and twice in the same direction once in
/// eight million; a tenth of a millisecond more for one of them goes further.
const DEVIATIONS_MAX: f64 = 3.5;

#[tokio::test]
async fn how_long_a_thief_is_refused_does_not_tell_whose_certificate_it_is() {
    let gateway = Region::prepare().with(NO_LIMITS).run();
    let (portal, staff) = (gateway.portal_door, gateway.staff_door);
    for (door, one, other) in [
        (portal, "tls/portal", "tls/stranger"),
        (portal, "tls/portal", "cards/receiver"),
        (staff, "cards/receiver", "cards/no-post"),
        (staff, "cards/receiver", "cards/revoked"),
    ] {
        let first = deviation(&gateway, door, one, other).await;
        println!("{one} and {other}: {first:.2} standard deviations apart");
        if first.abs() > DEVIATIONS_MAX {
            let second = deviation(&gateway, door, one, other).await;
            let is_leak = second.abs() > DEVIATIONS_MAX && second.signum() == first.signum();
            assert!(!is_leak, "{one} and {other} are told apart by time: {first:.1}, {second:.1}");
        }
    }
}

/// How far apart the two lie (Mann-Whitney): positive when `one` takes longer.
async fn deviation(gateway: &Gateway, door: std::net::SocketAddr, one: &str, other: &str) -> f64 {
    let callers = [thief(gateway, door, one), thief(gateway, door, other)];
    let mut times = Vec::with_capacity(2 * MEASURED);
    for turn in 0..MEASURED {
        // Neither always goes first.
        for at in [turn % 2, (turn + 1) % 2] {
            let began = Instant::now();
            assert_eq!(callers[at].refusal().await, Ok(AlertDescription::DecryptError));
            times.push((began.elapsed(), at));
        }
    }
    times.sort_unstable();
    let ranks = times.iter().zip(1_u32..).filter(|((_, at), _)| *at == 0).map(|(_, rank)| f64::from(rank));
    let n = MEASURED as f64;
    let expected = n * (2.0 * n + 1.0) / 2.0;
    (ranks.sum::<f64>() - expected) / (n * n * (2.0 * n + 1.0) / 12.0).sqrt()
}

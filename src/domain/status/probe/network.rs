//! Whether what fails is our own network rather than what is looked at.
//!
//! The rule: since a component began to fail, at least three hosts, and at least half of all that are looked at, could
//! not be reached, and none could. Such failures say something of us and nothing of others. A host that answers with a
//! refusal or an error was reached.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// With fewer hosts nobody can tell whose fault it is.
const HOSTS_MIN: usize = 3;

/// The latest look at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub host: String,
    /// None before the first look.
    pub latest: Option<(Timestamp, bool)>,
}

/// `seen` holds every active probe that reaches out; `since` is when the failing began that is to be judged.
pub fn is_out(since: Timestamp, seen: impl IntoIterator<Item = Seen>) -> bool {
    // Whether a host was reached since then; none where nobody has looked.
    let mut hosts: BTreeMap<String, Option<bool>> = BTreeMap::new();
    for Seen { host, latest } in seen {
        let reached = latest.filter(|(at, _)| *at >= since).map(|(_, reached)| reached);
        let known = hosts.entry(host).or_default();
        *known = (*known).max(reached);
    }
    let count = |wanted| hosts.values().filter(|reached| **reached == Some(wanted)).count();
    let unreached = count(false);
    count(true) == 0 && unreached >= HOSTS_MIN && 2 * unreached >= hosts.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_network_is_out_when_half_of_the_hosts_are_not_reached_and_none_is() {
        let since: Timestamp = "2026-11-23T06:40:00Z".parse().unwrap();
        let look = |host: &str, second: i64, reached| {
            let at = Timestamp::from_second(since.as_second() + second).unwrap();
            Seen { host: host.to_owned(), latest: Some((at, reached)) }
        };
        let unseen = |host: &str| Seen { host: host.to_owned(), latest: None };
        let lost = || vec![look("a", 0, false), look("b", 1, false), look("c", 2, false)];
        let with = |more: Vec<Seen>| is_out(since, lost().into_iter().chain(more));
        assert!(with(vec![]));
        assert!(with(vec![unseen("d"), unseen("e"), look("f", -1, true)]), "half of six");
        assert!(!with(vec![unseen("d"), unseen("e"), unseen("f"), unseen("g")]), "three of seven");
        assert!(!with(vec![look("d", 3, true)]), "one was reached");
        assert!(!with(vec![look("a", 3, true)]), "by another probe of the same host");
        assert!(!is_out(since, lost().into_iter().take(2)), "two may well be down");
        assert!(!is_out(since, [look("a", 0, false), look("a", 1, false), look("a", 2, false)]), "one host");
    }
}

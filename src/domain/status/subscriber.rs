//! Who wants to be told of what, where and in which language; the states of a subscriber and the acts that lead from
//! one to the next. Matched when something happens, so that who follows a group also follows what is added to it later.
//!
//! One address has one subscriber for each audience. What its owner chose (`subscriptions`) and what a list of the
//! region's chose for it (`lists`) lie side by side: a notice that either asks for is sent once. Leaving ends the own
//! choices at once; a list is left by whoever keeps it, who is told of the wish.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Audience;
use super::choice::{Choices, Mode, SUBSCRIPTIONS_MAX, Subscription, Target};
use super::event::Event;
use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;

/// Managed lists that one address may be on.
pub const LISTS_MAX: usize = 20;
/// The wording that is agreed to now; raised when what people are told at the sign-up changes in substance.
pub const CONSENT_VERSION: u32 = 1;

/// A sign-up may be confirmed for so long, in hours.
pub const CONFIRM_HOURS: i64 = 24;
/// Forgotten unless confirmed by then.
const PENDING_DAYS: i64 = 7;
/// Kept so that a slip can be undone, then forgotten.
const LEFT_DAYS: i64 = 30;
/// After so long an address that bounced is given up.
const QUARANTINED_DAYS: i64 = 90;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscriber {
    pub id: Uuid,
    pub address: MailAddress,
    pub language: Language,
    /// Whose notices: the staff's hold everything.
    pub audience: Audience,
    pub state: SubscriberState,
    /// When it came into its state.
    pub since: Timestamp,
    pub created_at: Timestamp,
    /// When its owner last agreed; none for who is only on a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Timestamp>,
    /// Told only of events with a greater number.
    pub confirmed_seq: u64,
    /// Which wording was agreed to.
    pub consent_version: u32,
    /// `form`, `api`, `import NAME`, `list NAME`.
    pub source: String,
    pub mode: Mode,
    /// What its owner chose.
    pub subscriptions: Vec<Subscription>,
    /// The region's lists that it is on, with what they chose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<Membership>,
    /// A sign-up that has not been confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Raised when a sign-up is confirmed or its owner leaves: links from before no longer confirm anything.
    pub generation: u16,
    /// Why it is quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubscriberState {
    /// Asked for, not confirmed: gets nothing but the one letter that asks.
    Pending,
    Active,
    /// The address bounced: gets nothing until it is confirmed anew.
    Quarantined,
    /// Gone by own wish; forgotten soon.
    Left,
}

impl SubscriberState {
    pub fn as_str(self) -> &'static str {
        match self {
            SubscriberState::Pending => "pending",
            SubscriberState::Active => "active",
            SubscriberState::Quarantined => "quarantined",
            SubscriberState::Left => "left",
        }
    }
}

/// A place on a managed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Membership {
    /// The list's slug.
    pub list: String,
    pub subscriptions: Vec<Subscription>,
    /// When the member asked to leave; the list's owner was told once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave_wished_at: Option<Timestamp>,
}

/// A sign-up that waits for its confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    pub at: Timestamp,
    pub choices: Choices,
    pub consent_version: u32,
    pub source: String,
}

/// Why an address is not mailed: what was seen, never a server's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    pub at: Timestamp,
    pub reason: Reason,
    /// Enhanced status code, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The notice that came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    HardBounce,
    SoftBounces,
    Complaint,
    /// An operator's decision.
    Manual,
    /// Left by own wish: an import does not bring it back.
    Left,
}

impl Reason {
    /// Whether the address gets no mail at all, not even the letter that asks for a confirmation.
    pub fn is_final(self) -> bool {
        matches!(self, Reason::Complaint | Reason::Manual)
    }
}

/// A managed list: its members are staff whom the region wants told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct List {
    /// `a-z`, digits and single hyphens; what operators type.
    pub slug: String,
    /// As members and owner read it.
    pub title: String,
    pub audience: Audience,
    /// Hears of members who wish to leave.
    pub owner: MailAddress,
    pub subscriptions: Vec<Subscription>,
}

/// Longest title of a list, in characters, and slug, in octets.
const LIST_TITLE_CHARS_MAX: usize = 120;
const LIST_SLUG_LEN_MAX: usize = 64;

impl List {
    /// Whether slug and title keep their rules. The choices are judged with the board at hand.
    pub fn is_named_well(&self) -> bool {
        let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let title = self.title.trim();
        self.slug.len() <= LIST_SLUG_LEN_MAX
            && self.slug.split('-').all(part)
            && (1..=LIST_TITLE_CHARS_MAX).contains(&title.chars().count())
            && !title.chars().any(|c| {
                c.is_control()
                    || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            })
    }
}

/// What a confirmation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// Subscribes from now on.
    New,
    /// Subscribed already; what was chosen now was added.
    Added,
    /// Confirmed before: nothing to do.
    Already,
}

/// A link that no longer confirms anything: used, overtaken or too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSpent;

/// What leaving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// No mail from now on.
    Gone,
    /// Had left already.
    AlreadyGone,
    /// Own choices are ended; the lists stay, and their owners are to be told of the wish.
    OnLists,
}

impl Subscriber {
    /// Somebody asked for an address that is not known.
    pub fn pending(id: Uuid, address: MailAddress, audience: Audience, asked: Asked) -> Subscriber {
        let at = asked.at;
        let (language, mode, source) = (asked.choices.language, asked.choices.mode, asked.source.clone());
        Subscriber {
            id,
            address,
            language,
            audience,
            state: SubscriberState::Pending,
            since: at,
            created_at: at,
            confirmed_at: None,
            confirmed_seq: 0,
            consent_version: 0,
            source,
            mode,
            subscriptions: Vec::new(),
            lists: Vec::new(),
            asked: Some(asked),
            generation: 0,
            evidence: None,
        }
    }

    /// An address that the region put on a list without anybody asking.
    pub fn listed(id: Uuid, address: MailAddress, list: &List, head: u64, now: Timestamp) -> Subscriber {
        let mut subscriber = Subscriber {
            id,
            address,
            language: Language::Sv,
            audience: list.audience,
            state: SubscriberState::Left,
            since: now,
            created_at: now,
            confirmed_at: None,
            confirmed_seq: head,
            consent_version: 0,
            source: format!("list {}", list.slug),
            mode: Mode::AtOnce,
            subscriptions: Vec::new(),
            lists: Vec::new(),
            asked: None,
            generation: 0,
            evidence: None,
        };
        subscriber.join(list, head, now);
        subscriber
    }

    /// Somebody asked for an address that is known. Nothing changes before it is confirmed.
    pub fn ask(&mut self, asked: Asked) {
        if self.state == SubscriberState::Pending {
            self.since = asked.at;
        }
        self.asked = Some(asked);
    }

    /// The link of a confirm letter was used. `generation` is the link's; the link's own age is the caller's question.
    pub fn confirm(&mut self, generation: u16, head: u64, now: Timestamp) -> Result<Confirmed, LinkSpent> {
        let is_active = self.state == SubscriberState::Active;
        match self.asked.take_if(|_| self.generation == generation) {
            None if is_active && generation.wrapping_add(1) == self.generation => Ok(Confirmed::Already),
            None => Err(LinkSpent),
            Some(asked) => {
                self.generation = self.generation.wrapping_add(1);
                self.confirmed_at = Some(now);
                self.consent_version = asked.consent_version;
                if is_active {
                    self.add(asked);
                    return Ok(Confirmed::Added);
                }
                self.source = asked.source;
                self.take_up(asked.choices);
                self.confirmed_seq = head;
                self.evidence = None;
                self.enter(SubscriberState::Active, now);
                Ok(Confirmed::New)
            }
        }
    }

    fn add(&mut self, asked: Asked) {
        if self.subscriptions.is_empty() {
            return self.take_up(asked.choices);
        }
        for subscription in asked.choices.subscriptions {
            let has_room = self.subscriptions.len() < SUBSCRIPTIONS_MAX;
            match self.subscriptions.iter_mut().find(|own| own.target == subscription.target) {
                Some(own) => *own = subscription,
                None if has_room => self.subscriptions.push(subscription),
                None => {}
            }
        }
    }

    fn take_up(&mut self, choices: Choices) {
        (self.language, self.mode, self.subscriptions) = (choices.language, choices.mode, choices.subscriptions);
    }

    /// Its owner chooses anew. Who is on a list may choose nothing else; everybody else leaves by leaving.
    pub fn choose(&mut self, choices: Choices) {
        self.take_up(choices);
    }

    /// What its owner chose, as it may be chosen anew.
    pub fn choices(&self) -> Choices {
        Choices { language: self.language, mode: self.mode, subscriptions: self.subscriptions.clone() }
    }

    /// Its owner wants no more. Whatever was asked for meanwhile is void.
    pub fn leave(&mut self, now: Timestamp) -> Leaving {
        self.asked = None;
        self.generation = self.generation.wrapping_add(1);
        if self.state == SubscriberState::Left {
            return Leaving::AlreadyGone;
        }
        self.subscriptions.clear();
        self.confirmed_at = None;
        if self.lists.is_empty() {
            self.enter(SubscriberState::Left, now);
            return Leaving::Gone;
        }
        Leaving::OnLists
    }

    /// The lists whose owners have not heard yet that this member wishes to leave; they count as told from here on.
    pub fn wish_to_leave_lists(&mut self, now: Timestamp) -> Vec<String> {
        let silent = self.lists.iter_mut().filter(|membership| membership.leave_wished_at.is_none());
        silent
            .map(|membership| {
                membership.leave_wished_at = Some(now);
                membership.list.clone()
            })
            .collect()
    }

    /// The region puts it on a list, or changes what the list chose. False where it is on too many already.
    pub fn join(&mut self, list: &List, head: u64, now: Timestamp) -> bool {
        let is_full = self.lists.len() >= LISTS_MAX;
        match self.lists.iter_mut().find(|membership| membership.list == list.slug) {
            Some(membership) => membership.subscriptions.clone_from(&list.subscriptions),
            None if is_full => return false,
            None => self.lists.push(Membership {
                list: list.slug.clone(),
                subscriptions: list.subscriptions.clone(),
                leave_wished_at: None,
            }),
        }
        if matches!(self.state, SubscriberState::Pending | SubscriberState::Left) {
            self.confirmed_seq = head;
            self.enter(SubscriberState::Active, now);
        }
        true
    }

    /// The region takes it off a list. Who has chosen nothing besides has left with it.
    pub fn drop_from(&mut self, list: &str, now: Timestamp) {
        self.lists.retain(|membership| membership.list != list);
        if self.lists.is_empty() && self.subscriptions.is_empty() && self.state == SubscriberState::Active {
            self.enter(SubscriberState::Left, now);
        }
    }

    /// What it followed is over. Who has chosen nothing besides has left with it.
    pub fn end_following(&mut self, subject: Uuid, now: Timestamp) {
        self.subscriptions.retain(|subscription| subscription.target != Target::Subject(subject));
        if self.lists.is_empty() && self.subscriptions.is_empty() && self.state == SubscriberState::Active {
            self.enter(SubscriberState::Left, now);
        }
    }

    /// The address does not take mail. Only who gets mail can come here.
    pub fn quarantine(&mut self, evidence: Evidence, now: Timestamp) -> bool {
        let was_active = self.state == SubscriberState::Active;
        if was_active {
            self.evidence = Some(evidence);
            self.enter(SubscriberState::Quarantined, now);
        }
        was_active
    }

    fn enter(&mut self, state: SubscriberState, now: Timestamp) {
        (self.state, self.since) = (state, now);
    }

    /// On a list that the region keeps: not left by a slip of the hand.
    pub fn is_managed(&self) -> bool {
        !self.lists.is_empty()
    }

    pub fn is_active(&self) -> bool {
        self.state == SubscriberState::Active
    }

    /// When it is to be forgotten; none while it is active. A sign-up that can still be confirmed is waited for.
    pub fn forget_at(&self) -> Option<Timestamp> {
        let days = match self.state {
            SubscriberState::Active => return None,
            SubscriberState::Pending => PENDING_DAYS,
            SubscriberState::Left => LEFT_DAYS,
            SubscriberState::Quarantined => QUARANTINED_DAYS,
        };
        let hours = |from: Timestamp, hours| from.saturating_add(SignedDuration::from_hours(hours)).ok();
        let by_rule = hours(self.since, days * 24);
        let by_link = self.asked.as_ref().and_then(|asked| hours(asked.at, CONFIRM_HOURS));
        by_rule.max(by_link)
    }

    /// Whether this is something that the subscriber asked to be told of. Whether it was told before, and so must be
    /// told the end, is the fan-out's question.
    pub fn wants(&self, event: &Event) -> bool {
        self.audience.sees(event.subject.audience()) && self.chosen().any(|subscription| subscription.wants(event))
    }

    /// Whether the end of something is all that was asked for of it.
    pub fn wants_ending(&self, event: &Event) -> bool {
        let mut endings = self.chosen().filter(|subscription| subscription.only_resolved);
        self.audience.sees(event.subject.audience()) && endings.any(|subscription| subscription.wants(event))
    }

    /// What its owner and the lists chose.
    fn chosen(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.iter().chain(self.lists.iter().flat_map(|membership| &membership.subscriptions))
    }
}

#[cfg(test)]
pub mod tests;

//! Owed letters leave here: taken when due, rendered once, sent, settled. Nothing is lost at a kill: a letter found
//! half-sent is in doubt and is sent again, byte for byte, under the same Message-ID. Each store's letters have an outbox
//! of their own, so that neither waits for the other; they share the mailer.

pub mod fanout;
mod schedule;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::domain::letter::{Letter, LetterFacts, LetterState};
use crate::domain::mail_address::MailAddress;
use crate::mail::{Class, Delivery, Envelope, LetterError, Mailer, MessageId, Sender};
use crate::render::Renderer;
use crate::store::ReadError;
use crate::usecase::catalog::At;
use crate::usecase::letters::{LetterStore, Settlement};
use crate::usecase::{Gateway, Refusal};

/// Letters taken up at a time.
const BATCH: usize = 64;
/// How often the outbox looks even if nobody woke it.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// After trouble of the smarthost nothing is sent for so long; doubled up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_LONGEST: Duration = Duration::from_secs(300);

#[derive(Debug, Clone)]
pub struct Settings {
    pub from: Sender,
    /// Where bounces go.
    pub envelope_from: MailAddress,
    /// Where those of letters to subscribers go, each to an address that says whose it is.
    pub bounce_domain: String,
    /// Letters under way at once; no more than the mailer has connections.
    pub at_once_max: usize,
}

/// What an operator wants to know.
#[derive(Debug, Default)]
pub struct Counters {
    pub accepted: AtomicU64,
    pub deferred: AtomicU64,
    pub dead: AtomicU64,
    pub in_doubt: AtomicU64,
    pub session_faults: AtomicU64,
}

pub struct Outbox {
    gateway: Arc<Gateway>,
    of: LetterStore,
    mailer: Arc<Mailer>,
    renderer: Arc<Renderer>,
    settings: Settings,
    pub counters: Arc<Counters>,
    /// Letters being sent by this process: they stay on the list of what is due until they are settled.
    under_way: Arc<Mutex<HashSet<Uuid>>>,
}

impl Outbox {
    /// The outbox of one store's letters. Outboxes count together.
    pub fn new(
        gateway: Arc<Gateway>,
        of: LetterStore,
        mailer: Arc<Mailer>,
        renderer: Arc<Renderer>,
        settings: Settings,
        counters: Arc<Counters>,
    ) -> Outbox {
        Outbox { gateway, of, mailer, renderer, settings, counters, under_way: Arc::default() }
    }

    /// Works until told to stop; then finishes what is under way and begins nothing more. Closing the mailer is for
    /// whoever shares it out.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut sending = JoinSet::new();
        let mut pause = PAUSE_FIRST;
        while !*stop.borrow() {
            let taken = self.take().await;
            let idle = taken.is_empty();
            for letter in taken {
                let this = self.clone();
                sending.spawn(async move { this.send(letter).await });
            }
            // Everything taken is settled before the next look: what is due is due in order.
            let mut trouble = false;
            while let Some(sent) = sending.join_next().await {
                trouble |= matches!(sent, Ok(Sent::SmarthostTrouble));
            }
            let wait = if trouble { pause } else { LOOK_AGAIN };
            pause = if trouble { (pause * 2).min(PAUSE_LONGEST) } else { PAUSE_FIRST };
            if trouble || idle {
                let woken = async {
                    if trouble {
                        std::future::pending::<()>().await
                    } else {
                        self.gateway.letters_owed(self.of).notified().await
                    }
                };
                tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep(self.until_next(wait).await) => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }

    async fn until_next(&self, wait: Duration) -> Duration {
        let due = self.gateway.next_letter_due(self.of).await.ok().flatten();
        let until = due.map(|at| self.gateway.now().duration_until(at));
        match until.and_then(|d| Duration::try_from(d).ok()) {
            // Already due, yet nothing was taken: the store or the smarthost is in trouble.
            Some(Duration::ZERO) | None => wait,
            Some(until) => until.clamp(Duration::from_millis(50), wait),
        }
    }

    async fn take(&self) -> Vec<At<Letter>> {
        let now = self.gateway.now();
        let limit = BATCH.min(self.settings.at_once_max.max(1) * 4);
        match self.gateway.due_letters(self.of, now, limit).await {
            Ok(mut letters) => {
                let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
                letters.retain(|letter| !under_way.contains(&letter.record.id));
                letters
            }
            // Told once by who tries to open it.
            Err(Refusal::Read(ReadError::Absent)) => Vec::new(),
            Err(error) => {
                tracing::error!(event = "outbox.read", store = self.of.as_str(), %error, "owed letters cannot be read");
                Vec::new()
            }
        }
    }

    async fn send(&self, letter: At<Letter>) -> Sent {
        let id = letter.record.id;
        if !self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
            return Sent::Settled;
        }
        let _under_way = UnderWay { letters: self.under_way.clone(), id };
        self.send_one(letter).await
    }

    async fn send_one(&self, mut letter: At<Letter>) -> Sent {
        if letter.record.state == LetterState::Sending {
            // Nobody is sending it now: a kill came between the marker and the settling.
            letter.record.in_doubt += 1;
            self.counters.in_doubt.fetch_add(1, Ordering::Relaxed);
        }
        let message = match letter.record.message.clone().map_or_else(|| self.render(&letter.record), Ok) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(event = "outbox.render", letter = %letter.record.id, %error, "a letter cannot be made");
                return self.settle(&letter, schedule::unfit(&letter.record, self.gateway.now())).await;
            }
        };
        let letter = match self.gateway.lease_letter(self.of, &letter, message.clone()).await {
            Ok(letter) => letter,
            Err(error) => {
                tracing::error!(event = "outbox.lease", %error, "a letter cannot be marked as being sent");
                return Sent::SmarthostTrouble;
            }
        };
        let envelope = Envelope { from: self.sender(&letter.record), to: letter.record.to.clone(), id: None };
        let delivery = self.mailer.deliver(&envelope, message.as_bytes()).await;
        self.count(&letter.record, &delivery);
        self.note_refusal(&letter.record, &delivery).await;
        self.gateway.note_smarthost(!matches!(delivery, Delivery::Deferred { class: Class::Session, .. }));
        let settlement = schedule::after(&letter.record, &delivery, self.gateway.now());
        let sent = self.settle(&letter, settlement).await;
        match delivery {
            Delivery::Deferred { class: Class::Session, .. } => Sent::SmarthostTrouble,
            _ => sent,
        }
    }

    /// A letter about events says in its sender whose it is, the same at each try: its bounces are heard.
    fn sender(&self, letter: &Letter) -> MailAddress {
        let own = letter.event.and_then(|event| {
            let token = self.gateway.bounce_token(letter.about, event, letter.created_at);
            MailAddress::parse(&format!("b+{token}@{}", self.settings.bounce_domain)).ok()
        });
        own.unwrap_or_else(|| self.settings.envelope_from.clone())
    }

    /// A subscriber's address that the smarthost refuses on the spot counts as one whose letter came back.
    async fn note_refusal(&self, letter: &Letter, delivery: &Delivery) {
        let (Some(event), Delivery::Rejected { class: Class::Recipient, trouble }) = (letter.event, delivery) else {
            return;
        };
        if let Err(error) = self.gateway.refused(letter.about, event, trouble.reply().map(fanout::code_of)).await {
            // The next letter to this address is refused again, and then it is written down.
            tracing::error!(event = "outbox.refused", %error, "a refused address cannot be noted");
        }
    }

    fn render(&self, letter: &Letter) -> Result<String, LetterError> {
        let facts = letter.facts.as_ref().map(LetterFacts::expose);
        let texts = self.renderer.letter(letter.kind, letter.language, facts).map_err(|error| {
            tracing::error!(event = "outbox.template", %error, "a template that was fit at the start is not now");
            LetterError::Build
        })?;
        let domain = self.settings.from.address.domain();
        let message = crate::mail::Letter {
            from: self.settings.from.clone(),
            to: letter.to.clone(),
            subject: texts.subject,
            date: letter.created_at,
            message_id: MessageId::new(&letter.id.simple().to_string(), domain)?,
            language: letter.language,
            text: texts.text,
            html: texts.html,
        };
        String::from_utf8(message.to_bytes()?).map_err(|_| LetterError::Build)
    }

    async fn settle(&self, letter: &At<Letter>, settlement: Settlement) -> Sent {
        if let Err(error) = self.gateway.settle_letter(self.of, letter, settlement).await {
            // It stays marked as being sent and will be sent again: at least once.
            tracing::error!(event = "outbox.settle", letter = %letter.record.id, %error, "a letter cannot be settled");
            return Sent::SmarthostTrouble;
        }
        Sent::Settled
    }

    fn count(&self, letter: &Letter, delivery: &Delivery) {
        let counter = match delivery {
            Delivery::Accepted { .. } => &self.counters.accepted,
            Delivery::Deferred { class: Class::Session, .. } => &self.counters.session_faults,
            Delivery::Deferred { .. } => &self.counters.deferred,
            Delivery::Rejected { .. } => &self.counters.dead,
            Delivery::InDoubt { .. } => &self.counters.in_doubt,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let (id, kind) = (letter.id, letter.kind.as_str());
        match delivery.trouble() {
            None => tracing::info!(event = "outbox.accepted", letter = %id, kind, "a letter was accepted"),
            Some(trouble) => {
                tracing::warn!(event = "outbox.trouble", letter = %id, kind, %trouble, "a letter was not accepted");
            }
        }
    }
}

/// Takes a letter's id back however its sending ends.
struct UnderWay {
    letters: Arc<Mutex<HashSet<Uuid>>>,
    id: Uuid,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// What a try says about trying on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Settled,
    /// The smarthost or the store is in trouble: everything rests for a while.
    SmarthostTrouble,
}

//! A notice's letters: frozen once for all recipients of a language, finished for each.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;
use crate::domain::status::event::Event;
use crate::domain::status::ledger::Lease;
use crate::domain::status::subscriber::Subscriber;
use crate::mail::notice::{Leave, Link, List, Notice as Common, PreparedNotice, Recipient};
use crate::mail::{Envelope, EnvelopeId, LetterError, MessageId, Sender};
use crate::render::notices::DigestFacts;
use crate::render::{RenderError, Renderer};
use crate::usecase::fanout::News;
use crate::usecase::fanout::records::{Frozen, Notice};
use crate::usecase::{Gateway, Refusal};

/// Frozen notices kept in memory: those that are being sent, some ten kilobytes each.
const KEPT: usize = 32;

/// What all notices have in common.
#[derive(Debug, Clone)]
pub struct LetterSettings {
    pub from: Sender,
    /// Of Message-IDs and of the addresses that bounces and wishes to leave go to.
    pub domain: String,
    /// Where the public door is reached, without a slash at its end.
    pub public_url: String,
}

pub struct Letters {
    gateway: Arc<Gateway>,
    renderer: Arc<Renderer>,
    settings: LetterSettings,
    /// The latest used last.
    notices: Mutex<Vec<Arc<Notice>>>,
}

/// A letter ready to be offered.
pub struct Ready {
    pub envelope: Envelope,
    pub bytes: Vec<u8>,
}

/// Why there is no letter now.
#[derive(Debug, thiserror::Error)]
pub enum NoLetter {
    #[error("{0}")]
    Store(Refusal),
    #[error(transparent)]
    Letter(#[from] LetterError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("an address of ours is unfit")]
    Address,
}

impl From<Refusal> for NoLetter {
    fn from(refusal: Refusal) -> NoLetter {
        NoLetter::Store(refusal)
    }
}

impl Letters {
    pub fn new(gateway: Arc<Gateway>, renderer: Arc<Renderer>, settings: LetterSettings) -> Letters {
        Letters { gateway, renderer, settings, notices: Mutex::default() }
    }

    /// An event's mail in both languages. None where a template fails: that is for people to mend, and one notice must
    /// not hold up those after it.
    pub fn freeze(&self, seq: u64, event: &Event) -> Option<Frozen> {
        let prepare = |language| {
            self.prepare(seq, event, language).inspect_err(|error| {
                tracing::error!(event = "fanout.freeze", notice = seq, language = language.tag(), %error, "the mail of a notice cannot be made: nobody is mailed");
            })
        };
        Some(Frozen { sv: prepare(Language::Sv).ok()?, en: prepare(Language::En).ok()? })
    }

    fn prepare(&self, seq: u64, event: &Event, language: Language) -> Result<PreparedNotice, NoLetter> {
        let texts = self.renderer.notice(event, language)?;
        let notice = Common {
            id: MessageId::new(&format!("{seq}.{}", event.subject.revision()), &self.settings.domain)?,
            from: self.settings.from.clone(),
            subject: texts.subject,
            date: event.at,
            language,
            list: self.list(),
            text: texts.text,
            html: texts.html,
            calendar: texts.calendar,
        };
        Ok(PreparedNotice::new(&notice)?)
    }

    /// The one letter that tells a subscriber's news, complete.
    pub fn of_news(&self, news: &News) -> Result<String, NoLetter> {
        let facts = DigestFacts {
            items: news.events.clone(),
            audience: news.subscriber.audience,
            manage_url: Link::Manage.mark().to_owned(),
            leave_url: Link::Leave.mark().to_owned(),
        };
        let texts = match news.is_welcome {
            true => self.renderer.open_now(&facts, news.language())?,
            false => self.renderer.digest(&facts, news.language())?,
        };
        let id = MessageId::new(&news.name(), &self.settings.domain)?;
        let prepared = PreparedNotice::new(&Common {
            id: id.clone(),
            from: self.settings.from.clone(),
            subject: texts.subject,
            date: self.gateway.now(),
            language: news.language(),
            list: self.list(),
            text: texts.text,
            html: texts.html,
            calendar: None,
        })?;
        let bytes = self.bytes(&prepared, &id, None, &news.subscriber)?;
        String::from_utf8(bytes).map_err(|_| NoLetter::Letter(LetterError::Build))
    }

    fn list(&self) -> List {
        let LetterSettings { domain, public_url, .. } = &self.settings;
        List {
            name: "Driftinformation".into(),
            id: format!("driftinfo.{domain}"),
            help_url: format!("{public_url}/status/prenumerera"),
            archive_url: format!("{public_url}/status/historik"),
        }
    }

    /// The letter for a lease, the same bytes each time; None where its recipient is none any more.
    pub async fn letter_for(&self, lease: &Lease) -> Result<Option<Ready>, NoLetter> {
        let notice = self.notice(lease.batch.seq).await?;
        // Last of all: who leaves while this is made gets nothing.
        let Some(subscriber) = self.gateway.recipient(lease.subscriber).await? else { return Ok(None) };
        let Some(frozen) = &notice.frozen else { return Ok(None) };
        self.finish(lease, &notice, frozen, &subscriber).map(Some)
    }

    fn finish(&self, lease: &Lease, notice: &Notice, frozen: &Frozen, to: &Subscriber) -> Result<Ready, NoLetter> {
        let domain = &self.settings.domain;
        let id = to.id.simple();
        let delivery = format!("{}.{id}.{}", notice.seq, notice.revision);
        let root = MessageId::new(&format!("{}.root.{id}", notice.subject.simple()), domain)?;
        let prepared = frozen.in_language(lease.language);
        let thread = Some((&root, notice.subject));
        let bytes = self.bytes(prepared, &MessageId::new(&delivery, domain)?, thread, to)?;
        let from = self.address(&format!("b+{}", self.gateway.bounce_token(to.id, notice.seq, notice.at)))?;
        Ok(Ready { envelope: Envelope { from, to: to.address.clone(), id: EnvelopeId::new(&delivery) }, bytes })
    }

    fn bytes(
        &self,
        prepared: &PreparedNotice,
        message_id: &MessageId,
        thread: Option<(&MessageId, Uuid)>,
        to: &Subscriber,
    ) -> Result<Vec<u8>, NoLetter> {
        let mailto = self.address(&format!("avsluta+{}", self.gateway.leave_token(to.id)))?;
        let page_url = thread.map(|(_, subject)| self.gateway.subject_link(to, subject));
        Ok(prepared.bytes_for(&Recipient {
            to: &to.address,
            message_id,
            references: thread.map(|(root, _)| root),
            leave: Some(Leave { url: &self.gateway.leave_link(to.id), mailto: &mailto }),
            manage_url: &self.gateway.manage_link(to),
            page_url: page_url.as_deref(),
        })?)
    }

    fn address(&self, local: &str) -> Result<MailAddress, NoLetter> {
        MailAddress::parse(&format!("{local}@{}", self.settings.domain)).map_err(|_| NoLetter::Address)
    }

    async fn notice(&self, seq: u64) -> Result<Arc<Notice>, Refusal> {
        let kept = || self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notice) = kept().iter().find(|notice| notice.seq == seq) {
            return Ok(notice.clone());
        }
        let notice = Arc::new(self.gateway.notice(seq).await?);
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(notice.clone());
        Ok(notice)
    }
}

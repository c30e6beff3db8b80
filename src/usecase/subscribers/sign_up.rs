//! Somebody asks for an address; its owner confirms by a link that only the address got.

use jiff::SignedDuration;

use super::{SubscribeError, TRIES, is_overtaken, rewrite, token};
use crate::admit::IpKey;
use crate::domain::letter::LetterKind;
use crate::domain::mail_address::MailAddress;
use crate::domain::status::Audience;
use crate::domain::status::choice::Choices;
use crate::domain::status::subscriber::{
    Asked, CONFIRM_HOURS, CONSENT_VERSION, Confirmed, Subscriber, SubscriberState,
};
use crate::store::Change;
use crate::usecase::catalog::At;
use crate::usecase::{Gateway, Refusal};

/// What somebody asks for. Whose the address is, is not known yet.
#[derive(Debug, Clone)]
pub struct SignUp {
    pub address: MailAddress,
    pub audience: Audience,
    pub choices: Choices,
    /// `form` or `api`.
    pub source: &'static str,
}

impl Gateway {
    /// Writes the wish down and owes the address one letter. The outcome says nothing about the address: the same is
    /// read and written whether it is new, waits, subscribes, bounced, left, gets no mail at all, or got its letters
    /// for today. Of the letter alone there may be none.
    pub async fn sign_up(&self, from: IpKey, sign_up: &SignUp) -> Result<(), SubscribeError> {
        let faults = sign_up.choices.faults(&self.board(), sign_up.audience, false);
        if !faults.is_empty() {
            return Err(SubscribeError::Unfit(faults));
        }
        let allowed = &self.roll.rules.allowed_domains;
        if !allowed.is_empty() && !allowed.iter().any(|domain| domain == sign_up.address.domain()) {
            return Err(SubscribeError::DomainNotAllowed);
        }
        self.limits.sign_up_network.check(from.network().as_bytes()).map_err(SubscribeError::Limited)?;
        self.limits.sign_up.check(b"").map_err(SubscribeError::Limited)?;
        let may_be_mailed = self.limits.mailbox.check(&self.suppression_hash(&sign_up.address)).is_ok();
        let mut tried = 1;
        loop {
            match self.try_sign_up(sign_up, may_be_mailed).await {
                Err(error) if is_overtaken(&error) && tried < TRIES => tried += 1,
                done => return done,
            }
        }
    }

    async fn try_sign_up(&self, sign_up: &SignUp, may_be_mailed: bool) -> Result<(), SubscribeError> {
        let SignUp { address, audience, choices, source } = sign_up;
        let now = self.now();
        let asked =
            Asked { at: now, choices: choices.clone(), consent_version: CONSENT_VERSION, source: (*source).to_owned() };
        let suppression = self.suppression(address).await?;
        let mut change = Change::new();
        let subscriber = match self.subscriber_of(address, *audience).await? {
            None => {
                let subscriber = Subscriber::pending(self.new_id(now)?, address.clone(), *audience, asked);
                self.create_subscriber(&mut change, &subscriber);
                subscriber
            }
            Some(before) => {
                let mut subscriber = before.record.clone();
                subscriber.ask(asked);
                rewrite(&mut change, &before, &subscriber);
                subscriber
            }
        };
        if may_be_mailed && suppression.is_none_or(|at| !at.record.evidence.reason.is_final()) {
            self.owe_sign_up_letter(&mut change, &subscriber, choices)?;
        }
        self.commit_common(change).await?;
        Ok(())
    }

    /// To who subscribes: how to add this, and how to change anything else. To everybody else: the one link.
    fn owe_sign_up_letter(
        &self,
        change: &mut Change,
        subscriber: &Subscriber,
        choices: &Choices,
    ) -> Result<(), Refusal> {
        let until = self.now().saturating_add(SignedDuration::from_hours(CONFIRM_HOURS)).unwrap_or(self.now());
        let token = token::confirm(&self.common, subscriber.id, subscriber.generation, until);
        let reader = Subscriber { language: choices.language, ..subscriber.clone() };
        let confirm_link = self.link(&reader, &format!("/status/bekrafta/{token}"));
        let (kind, facts) = match subscriber.state {
            SubscriberState::Active => {
                let manage_link = self.manage_link(&reader);
                let facts = serde_json::json!({
                    "confirm_link": confirm_link, "manage_link": manage_link, "hours": CONFIRM_HOURS,
                });
                (LetterKind::ManageSubscription, facts)
            }
            SubscriberState::Pending | SubscriberState::Quarantined | SubscriberState::Left => {
                let facts = serde_json::json!({ "confirm_link": confirm_link, "hours": CONFIRM_HOURS });
                (LetterKind::ConfirmSubscription, facts)
            }
        };
        self.owe_common(change, kind, subscriber.address.clone(), choices.language, Some(facts), subscriber.id)
    }

    /// What a confirm link would bring about; reading it changes nothing, mail scanners follow every link.
    pub async fn asked_by_link(&self, link: &str) -> Result<(Confirmed, Subscriber), SubscribeError> {
        let said = token::read_confirm(&self.common, link, self.now()).ok_or(SubscribeError::LinkUnknown)?;
        let found = self.subscriber(said.subscriber).await?.ok_or(SubscribeError::LinkUnknown)?.record;
        match found.clone().confirm(said.generation, 0, self.now()) {
            Ok(confirmed) => Ok((confirmed, found)),
            Err(_) => Err(SubscribeError::LinkUnknown),
        }
    }

    /// The link's holder agrees. The same link again gets the same answer.
    pub async fn confirm(&self, link: &str) -> Result<(Confirmed, Subscriber), SubscribeError> {
        let said = token::read_confirm(&self.common, link, self.now()).ok_or(SubscribeError::LinkUnknown)?;
        let mut tried = 1;
        loop {
            let found = self.subscriber(said.subscriber).await?.ok_or(SubscribeError::LinkUnknown)?;
            match self.try_confirm(found, said.generation).await {
                Err(error) if is_overtaken(&error) && tried < TRIES => tried += 1,
                done => return done,
            }
        }
    }

    async fn try_confirm(
        &self,
        before: At<Subscriber>,
        generation: u16,
    ) -> Result<(Confirmed, Subscriber), SubscribeError> {
        // Not the chain's newest: an event that the board does not show yet is no part of the welcome.
        let head = self.board().seq;
        let mut subscriber = before.record.clone();
        let confirmed = subscriber.confirm(generation, head, self.now()).map_err(|_| SubscribeError::LinkUnknown)?;
        if confirmed != Confirmed::Already {
            let mut change = Change::new();
            rewrite(&mut change, &before, &subscriber);
            self.end_suppression(&mut change, &subscriber.address).await?;
            if confirmed == Confirmed::New {
                self.welcome(&mut change, &subscriber).await?;
            }
            self.commit_common(change).await?;
            self.departures().forget(&subscriber.id);
        }
        Ok((confirmed, subscriber))
    }
}

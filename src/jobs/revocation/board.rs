//! What is known of each address that lists are fetched from: when it is asked next, what it said last. Shared by the
//! job and by whoever tells operators.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;

use super::Fault;
use super::cache::Known;
use crate::domain::status::probe::target::HttpTarget;
use crate::fetch::http::Validators;

/// Every address that a trusted issuer publishes lists at. As many as the issuers have, never more.
#[derive(Debug, Default)]
pub struct Board {
    points: Mutex<BTreeMap<String, Point>>,
    bell: Notify,
}

#[derive(Debug, Clone)]
pub(super) struct Point {
    pub issuer: [u8; 32],
    pub issuer_name: String,
    /// None where nobody may be asked.
    pub target: Option<HttpTarget>,
    pub validators: Validators,
    /// When it is asked next; None while it is being asked.
    pub due: Option<Timestamp>,
    /// Somebody wants it asked anew while it is being asked.
    pub again: bool,
    pub failures: u32,
    pub answered_at: Option<Timestamp>,
    pub fault: Option<Fault>,
}

/// An address, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PointReport {
    pub url: String,
    pub issuer: String,
    /// When it last gave a list that is fit, or said that there is no newer one.
    pub answered_at: Option<Timestamp>,
    pub asked_next: Option<Timestamp>,
    pub fault: Option<String>,
    pub remedy: Option<&'static str>,
}

impl Board {
    pub fn report(&self) -> Vec<PointReport> {
        let report = |(url, point): (&String, &Point)| PointReport {
            url: url.clone(),
            issuer: point.issuer_name.clone(),
            answered_at: point.answered_at,
            asked_next: point.due.filter(|_| point.target.is_some()),
            fault: point.fault.as_ref().map(ToString::to_string),
            remedy: point.fault.as_ref().map(Fault::remedy),
        };
        self.points().iter().map(report).collect()
    }

    /// Asks every address anew, now.
    pub fn ask_all(&self) {
        self.bell.notify_one();
    }

    pub(super) async fn asked_for_all(&self) {
        self.bell.notified().await;
    }

    pub(super) fn points(&self) -> MutexGuard<'_, BTreeMap<String, Point>> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the index on disk is to say.
    pub(super) fn known(&self) -> Vec<Known> {
        let known = |(url, point): (&String, &Point)| Known {
            issuer: point.issuer,
            url: url.clone(),
            validators: point.validators.clone(),
        };
        self.points().iter().map(known).collect()
    }
}

//! A connection kept for many letters in a row: what one of the fan-out's workers holds.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{
    Envelope,
    classify::Delivery,
    directory::Directory,
    smarthost::{Kept, Smarthosts},
};

/// One connection at a time, replaced when it is spent (letters, age, a farewell) or when another smarthost takes over.
/// Between letters it stays open and nobody else has it: end it when there is nothing to send. Dropped, its connection is
/// closed without a word.
pub struct Lease {
    line: Line,
}

enum Line {
    Smtp { smarthosts: Arc<Smarthosts>, kept: Option<Kept>, _place: OwnedSemaphorePermit },
    Directory(Arc<Directory>),
}

impl Lease {
    pub(super) fn smtp(smarthosts: Arc<Smarthosts>, place: OwnedSemaphorePermit) -> Lease {
        Lease { line: Line::Smtp { smarthosts, kept: None, _place: place } }
    }

    pub(super) fn directory(directory: Arc<Directory>) -> Lease {
        Lease { line: Line::Directory(directory) }
    }

    /// As `Mailer::deliver`, also when the future is dropped: the connection goes with it, the lease can go on.
    ///
    /// With `next`, the envelope of the letter that follows, a server that can take it is told of that one in the same
    /// write: half the round trips. Whoever is named there must still want the letter, since RCPT goes out now. The delivery
    /// is this letter's own, known before the next one's bytes are needed. If another letter follows after all, or none,
    /// nothing happens but that the connection is given up.
    pub async fn deliver(&mut self, envelope: &Envelope, letter: &[u8], next: Option<&Envelope>) -> Delivery {
        match &mut self.line {
            Line::Smtp { smarthosts, kept, .. } if smarthosts.must_share() => {
                let delivery = smarthosts.deliver_on(kept, envelope, letter, None).await;
                smarthosts.park(kept.take());
                delivery
            }
            Line::Smtp { smarthosts, kept, .. } => smarthosts.deliver_on(kept, envelope, letter, next).await,
            Line::Directory(directory) => directory.deliver(letter).await,
        }
    }

    /// Gives the connection back while it is fit for another's letter.
    pub fn end(self) {
        if let Line::Smtp { smarthosts, kept, .. } = self.line {
            smarthosts.park(kept);
        }
    }
}

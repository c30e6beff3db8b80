//! The timetable, pure: after a try, when comes the next, or is the letter given up?

use jiff::{SignedDuration, Timestamp};

use crate::domain::letter::{Letter, LetterFault, LetterState};
use crate::mail::{Class, Delivery, Trouble};
use crate::usecase::letters::Settlement;

/// Seconds between tries; the last one goes on until the letter is given up. To one's own smarthost, not the world.
const STEPS_SECONDS: [i64; 8] = [15, 30, 60, 120, 300, 600, 900, 1_800];

/// What a try came to.
pub fn after(letter: &Letter, delivery: &Delivery, now: Timestamp) -> Settlement {
    let mut next = letter.clone();
    next.state = LetterState::Queued;
    let wait = match delivery {
        Delivery::Accepted { .. } => return Settlement::Delivered,
        Delivery::Rejected { class, trouble } => {
            return Settlement::Kept(Box::new(dead(next, fault(*class, trouble, now), now)));
        }
        Delivery::InDoubt { trouble } => {
            next.in_doubt += 1;
            next.last_fault = Some(LetterFault { class: "in-doubt".into(), ..fault(Class::Message, trouble, now) });
            back_off(letter, next.in_doubt)
        }
        Delivery::Deferred { class, trouble } => match trouble.retry_in() {
            None => {
                next.last_fault = Some(fault(*class, trouble, now));
                let count = if *class == Class::Session { &mut next.session_faults } else { &mut next.attempts };
                *count += 1;
                back_off(letter, *count)
            }
            // No smarthost was asked: no try, and the fault that led here says more.
            Some(rest) => {
                next.last_fault.get_or_insert_with(|| fault(*class, trouble, now));
                SignedDuration::try_from(rest).unwrap_or(SignedDuration::MAX)
            }
        },
    };
    next.next_at = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    if next.next_at > letter.give_up_at {
        let last = next.last_fault.clone();
        next = Letter { last_fault: last, ..dead_at(next, now) };
    }
    Settlement::Kept(Box::new(next))
}

/// A letter that cannot be made is for an operator to look at.
pub fn unfit(letter: &Letter, now: Timestamp) -> Settlement {
    let fault = LetterFault { at: now, class: "message".into(), code: None };
    Settlement::Kept(Box::new(dead(letter.clone(), fault, now)))
}

fn dead(letter: Letter, fault: LetterFault, now: Timestamp) -> Letter {
    Letter { last_fault: Some(fault), ..dead_at(letter, now) }
}

fn dead_at(letter: Letter, now: Timestamp) -> Letter {
    Letter { state: LetterState::Dead, next_at: now, ..letter }
}

fn fault(class: Class, trouble: &Trouble, now: Timestamp) -> LetterFault {
    let class = match class {
        Class::Session => "session",
        Class::Recipient => "recipient",
        Class::Message => "message",
        Class::Policy => "policy",
    };
    // Phase and code in our own words: the server's text may hold an address.
    LetterFault { at: now, class: class.into(), code: Some(trouble.to_string()) }
}

/// The step for the n-th failure, and up to a tenth more, by the letter: letters that failed together spread out.
fn back_off(letter: &Letter, tries: u32) -> SignedDuration {
    let step = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX).min(STEPS_SECONDS.len() - 1);
    let seconds = STEPS_SECONDS[step];
    let spread = i64::from(letter.id.as_bytes()[15]) * seconds * 1_000 / 2_560;
    SignedDuration::from_millis(seconds * 1_000 + spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::language::Language;
    use crate::domain::letter::LetterKind;
    use crate::domain::mail_address::MailAddress;
    use crate::mail::{Cause, Phase};
    use uuid::Uuid;

    fn start() -> Timestamp {
        "2026-11-22T08:00:00Z".parse().unwrap()
    }

    fn letter() -> Letter {
        let to = MailAddress::parse("tolvan@example.test").unwrap();
        Letter::new(Uuid::from_u128(9), Uuid::nil(), LetterKind::AnswerWaits, to, Language::Sv, start())
    }

    fn deferred(class: Class) -> Delivery {
        Delivery::Deferred { class, trouble: Trouble { phase: Phase::RcptTo, cause: Cause::TimedOut } }
    }

    fn kept(settlement: Settlement) -> Letter {
        match settlement {
            Settlement::Kept(letter) => *letter,
            Settlement::Delivered => panic!("nothing was accepted"),
        }
    }

    #[test]
    fn a_letter_is_tried_with_growing_pauses_for_at_least_four_hours_and_then_given_up() {
        let mut letter = letter();
        let mut now = start();
        let mut tries = 0;
        let mut last_pause = SignedDuration::ZERO;
        while letter.state != LetterState::Dead {
            letter = kept(after(&letter, &deferred(Class::Recipient), now));
            tries += 1;
            if letter.state == LetterState::Queued {
                let pause = now.duration_until(letter.next_at);
                assert!(pause >= last_pause && pause <= SignedDuration::from_mins(33), "{pause}");
                (now, last_pause) = (letter.next_at, pause);
            }
        }
        let tried = start().duration_until(now);
        assert!(tried >= SignedDuration::from_hours(4), "{tried}");
        assert!((80..200).contains(&tries), "{tries}");
        assert_eq!(letter.last_fault.unwrap().class, "recipient");
    }

    #[test]
    fn the_smarthosts_trouble_uses_up_none_of_the_recipients_attempts() {
        let letter = kept(after(&letter(), &deferred(Class::Session), start()));
        assert_eq!((letter.attempts, letter.session_faults), (0, 1));
    }

    #[test]
    fn a_letter_that_no_smarthost_was_asked_to_take_waits_for_the_next_trial_and_counts_no_try() {
        let before = kept(after(&letter(), &deferred(Class::Session), start()));
        let trouble = Trouble { phase: Phase::Connect, cause: Cause::Resting(std::time::Duration::from_secs(90)) };
        let letter = kept(after(&before, &Delivery::Deferred { class: Class::Session, trouble }, start()));
        assert_eq!(start().duration_until(letter.next_at), SignedDuration::from_secs(90));
        assert_eq!((letter.session_faults, letter.last_fault), (1, before.last_fault));
    }

    #[test]
    fn a_refused_recipient_is_dead_at_once_and_says_why() {
        let trouble = Trouble { phase: Phase::RcptTo, cause: Cause::TimedOut };
        for (class, name) in [(Class::Recipient, "recipient"), (Class::Policy, "policy")] {
            let letter = kept(after(&letter(), &Delivery::Rejected { class, trouble }, start()));
            assert_eq!((letter.state, letter.last_fault.unwrap().class.as_str()), (LetterState::Dead, name));
        }
    }

    #[test]
    fn a_letter_in_doubt_is_tried_again_and_counted_as_such() {
        let trouble = Trouble { phase: Phase::Dot, cause: Cause::TimedOut };
        let letter = kept(after(&letter(), &Delivery::InDoubt { trouble }, start()));
        assert_eq!((letter.state, letter.in_doubt, letter.attempts), (LetterState::Queued, 1, 0));
    }
}

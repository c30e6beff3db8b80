//! Who may do what with which case: one table (design 4), asked by every use case with the record in hand.

use std::collections::BTreeSet;

use super::case::{Case, Errand};
use super::clinic::Role;
use super::id::HsaId;

/// Who asks about a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A member of the staff with the roles that it has at the case's clinic.
    Staff { person: HsaId, roles: BTreeSet<Role> },
    /// A registered system.
    Portal { system: HsaId },
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// That it exists: state, type, times.
    See,
    /// What was written.
    Read,
    /// Distribute, redistribute.
    Distribute,
    Forward,
    /// Interim answer, counter-question, answer.
    Answer,
    Return,
    Close,
    /// The citizen's later word.
    Message,
    Withdraw,
}

#[cfg(test)]
impl Deed {
    pub const ALL: [Deed; 9] = [
        Deed::See,
        Deed::Read,
        Deed::Distribute,
        Deed::Forward,
        Deed::Answer,
        Deed::Return,
        Deed::Close,
        Deed::Message,
        Deed::Withdraw,
    ];
}

/// Who stands how to a case: the columns of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    Receiver,
    HandlerOfCase,
    OtherHandler,
    /// Clinic administrator, clinic manager.
    Leader,
    SendingPortal,
    /// The member of the staff who handed a support case in.
    Reporter,
    Stranger,
}

/// The proof that a deed was permitted, and in which role: goes into the access log.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    pub deed: Deed,
    pub standing: Standing,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The asker may not even learn that the case exists.
    Hidden,
    /// The asker may see the case but not do this.
    NotPermitted,
    /// A receiver answers only after taking the case.
    TakeFirst,
}

/// May this one do this with this case?
pub fn decide<E: Errand>(actor: &Actor, deed: Deed, case: &Case<E>) -> Result<Permit, Denial> {
    let mut denial = Denial::Hidden;
    for standing in standings(actor, case) {
        match permits(standing, deed) {
            Ok(()) => return Ok(Permit { deed, standing }),
            Err(Denial::Hidden) => {}
            Err(why) => denial = why,
        }
    }
    Err(denial)
}

/// A person may stand in several ways to a case; the strongest first.
fn standings<E: Errand>(actor: &Actor, case: &Case<E>) -> Vec<Standing> {
    let mut out = Vec::new();
    match actor {
        Actor::Portal { system } if case.errand.sender() == Some(system) => out.push(Standing::SendingPortal),
        Actor::Portal { .. } => {}
        Actor::Staff { person, roles } => {
            let works_here = roles.contains(&Role::Handler) || roles.contains(&Role::Receiver);
            if case.handler.as_ref() == Some(person) && works_here {
                out.push(Standing::HandlerOfCase);
            }
            if roles.contains(&Role::Receiver) {
                out.push(Standing::Receiver);
            }
            if roles.contains(&Role::Administrator) || roles.contains(&Role::Manager) {
                out.push(Standing::Leader);
            }
            if roles.contains(&Role::Handler) {
                out.push(Standing::OtherHandler);
            }
            if case.errand.sender() == Some(person) {
                out.push(Standing::Reporter);
            }
        }
    }
    if out.is_empty() {
        out.push(Standing::Stranger);
    }
    out
}

fn permits(standing: Standing, deed: Deed) -> Result<(), Denial> {
    use Deed::{Answer, Close, Distribute, Forward, Message, Read, Return, See, Withdraw};
    match (standing, deed) {
        (Standing::Receiver, See | Read | Distribute | Forward | Return | Close) => Ok(()),
        (Standing::Receiver, Answer) => Err(Denial::TakeFirst),
        // Hands over own.
        (Standing::HandlerOfCase, See | Read | Distribute | Forward | Answer | Return | Close) => Ok(()),
        (Standing::Leader, See) => Ok(()),
        (Standing::SendingPortal | Standing::Reporter, See | Read | Message | Withdraw) => Ok(()),
        (Standing::OtherHandler | Standing::Stranger, _) => Err(Denial::Hidden),
        (
            Standing::Receiver
            | Standing::HandlerOfCase
            | Standing::Leader
            | Standing::SendingPortal
            | Standing::Reporter,
            _,
        ) => Err(Denial::NotPermitted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::case::tests::{at, hsa, received};

    fn staff(person: &str, roles: &[Role]) -> Actor {
        Actor::Staff { person: hsa(person), roles: roles.iter().copied().collect() }
    }

    /// Design 4's table, line by line; the columns are receiver, handler of the case, other handler, administrator,
    /// manager, sending portal, other portal.
    #[test]
    fn the_table_of_the_design() {
        let mut case = received();
        case.distribute(hsa("1002"), hsa("1001"), at("2026-11-23T09:00:00Z")).unwrap();
        let actors = [
            staff("1001", &[Role::Receiver]),
            staff("1002", &[Role::Handler]),
            staff("1003", &[Role::Handler]),
            staff("1004", &[Role::Administrator]),
            staff("1005", &[Role::Manager]),
            Actor::Portal { system: hsa("P001") },
            Actor::Portal { system: hsa("P002") },
        ];
        let rows = [
            (Deed::See, "yy-yyy-"),
            (Deed::Read, "yy-nny-"),
            (Deed::Distribute, "yy-nnn-"),
            (Deed::Forward, "yy-nnn-"),
            (Deed::Answer, "ty-nnn-"),
            (Deed::Return, "yy-nnn-"),
            (Deed::Close, "yy-nnn-"),
            (Deed::Message, "nn-nny-"),
            (Deed::Withdraw, "nn-nny-"),
        ];
        assert_eq!(rows.len(), Deed::ALL.len());
        for (deed, row) in rows {
            for (actor, cell) in actors.iter().zip(row.chars()) {
                let expected = match cell {
                    'y' => None,
                    'n' => Some(Denial::NotPermitted),
                    't' => Some(Denial::TakeFirst),
                    _ => Some(Denial::Hidden),
                };
                assert_eq!(decide(actor, deed, &case).err(), expected, "{actor:?} {deed:?}");
            }
        }
    }

    #[test]
    fn a_receiver_who_has_taken_a_case_answers_it() {
        let mut case = received();
        case.distribute(hsa("1001"), hsa("1001"), at("2026-11-23T09:00:00Z")).unwrap();
        let permit = decide(&staff("1001", &[Role::Receiver]), Deed::Answer, &case).unwrap();
        assert_eq!(permit.standing, Standing::HandlerOfCase);
    }

    #[test]
    fn a_handler_who_lost_the_role_has_lost_the_case() {
        let mut case = received();
        case.distribute(hsa("1002"), hsa("1001"), at("2026-11-23T09:00:00Z")).unwrap();
        assert_eq!(decide(&staff("1002", &[]), Deed::Read, &case), Err(Denial::Hidden));
    }

    #[test]
    fn redistribution_ends_the_former_handlers_access() {
        let mut case = received();
        case.distribute(hsa("1002"), hsa("1001"), at("2026-11-23T09:00:00Z")).unwrap();
        case.distribute(hsa("1003"), hsa("1001"), at("2026-11-23T09:00:00Z")).unwrap();
        assert_eq!(decide(&staff("1002", &[Role::Handler]), Deed::Read, &case), Err(Denial::Hidden));
    }
}

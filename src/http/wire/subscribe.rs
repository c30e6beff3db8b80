//! Subscriptions on the wire. A choice names its target as forms and files do: `all`, `group:slug`, `component:slug`,
//! `subject:id`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;
use crate::domain::status::Audience;
use crate::domain::status::board::Board;
use crate::domain::status::choice::{ChoiceFault, Choices, Mode, SUBSCRIPTIONS_MAX, Subscription, Target};
use crate::domain::status::subject::Impact;
use crate::domain::status::subscriber::Subscriber;
use crate::http::problem::Problem;
use crate::usecase::subscribers::SubscribeError;
use crate::usecase::subscribers::manage::Left;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignUpRequest {
    #[schema(value_type = String)]
    pub address: MailAddress,
    /// `staff`, which holds everything, or `public`.
    #[schema(value_type = String)]
    pub audience: Audience,
    pub choices: WireChoices,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfirmRequest {
    /// The last part of the letter's link.
    pub token: String,
}

/// What is sent, when and in which language.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireChoices {
    /// `sv` or `en`.
    #[schema(value_type = String)]
    #[serde(default)]
    pub language: Language,
    /// `HH:MM`, Swedish time, for one mail a day; left out for a mail at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_at: Option<String>,
    pub subscriptions: Vec<WireChoice>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireChoice {
    /// `all`, `group:slug`, `component:slug` or `subject:id`.
    pub target: String,
    #[serde(default = "yes")]
    pub incidents: bool,
    #[serde(default = "yes")]
    pub maintenances: bool,
    /// Of incidents only that they are over.
    #[serde(default)]
    pub only_resolved: bool,
    /// `none`, `minor`, `major` or `critical`.
    #[schema(value_type = String)]
    #[serde(default = "any_impact")]
    pub least_impact: Impact,
}

fn yes() -> bool {
    true
}

fn any_impact() -> Impact {
    Impact::None
}

/// What an address gets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireSubscription {
    /// `active`, or `quarantined`: mail came back, and nothing is sent until the address is confirmed anew.
    pub state: &'static str,
    #[schema(value_type = String)]
    pub audience: Audience,
    pub choices: WireChoices,
    /// The region's lists that it is on, by name.
    pub lists: Vec<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmedSubscription {
    /// Reads, changes and ends the subscription, as long as it lasts.
    pub token: String,
    pub subscription: WireSubscription,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireLeft {
    /// False where the region's lists go on: their owners have been told of the wish.
    pub ended: bool,
    pub lists: Vec<String>,
}

impl WireChoices {
    pub fn of(choices: &Choices, board: &Board) -> WireChoices {
        let choice = |subscription: &Subscription| WireChoice {
            target: subscription.target.name(board),
            incidents: subscription.incidents,
            maintenances: subscription.maintenances,
            only_resolved: subscription.only_resolved,
            least_impact: subscription.least_impact,
        };
        let subscriptions = choices.subscriptions.iter().map(choice).collect();
        WireChoices { language: choices.language, daily_at: choices.mode.time(), subscriptions }
    }

    /// `at` is where in the body the choices stand.
    pub fn read(&self, board: &Board, at: &str) -> Result<Choices, Problem> {
        let mode = match &self.daily_at {
            None => Mode::AtOnce,
            Some(text) => Mode::daily_at(text).ok_or_else(|| unfit(&[ChoiceFault::DigestTime], at))?,
        };
        if self.subscriptions.len() > SUBSCRIPTIONS_MAX {
            return Err(unfit(&[ChoiceFault::TooMany], at));
        }
        let mut subscriptions = Vec::new();
        let mut unknown = Vec::new();
        for (index, choice) in self.subscriptions.iter().enumerate() {
            match Target::named(&choice.target, board) {
                None => unknown.push(ChoiceFault::UnknownTarget(index)),
                Some(target) => subscriptions.push(Subscription {
                    target,
                    incidents: choice.incidents,
                    maintenances: choice.maintenances,
                    only_resolved: choice.only_resolved,
                    least_impact: choice.least_impact,
                }),
            }
        }
        if unknown.is_empty() {
            Ok(Choices { language: self.language, mode, subscriptions })
        } else {
            Err(unfit(&unknown, at))
        }
    }
}

impl WireSubscription {
    pub fn of(subscriber: &Subscriber, board: &Board, lists: Vec<String>) -> WireSubscription {
        WireSubscription {
            state: subscriber.state.as_str(),
            audience: subscriber.audience,
            choices: WireChoices::of(&subscriber.choices(), board),
            lists,
        }
    }
}

impl WireLeft {
    pub fn of(left: Left) -> WireLeft {
        match left {
            Left::Gone | Left::Waiting => WireLeft { ended: true, lists: Vec::new() },
            Left::OnLists(lists) => WireLeft { ended: false, lists },
        }
    }
}

/// In words for readers: the rule that a choice breaks.
pub fn fault_words(fault: ChoiceFault) -> [&'static str; 2] {
    match fault {
        ChoiceFault::Nothing => ["Välj minst en sak att få besked om.", "Choose at least one thing to be told of."],
        ChoiceFault::TooMany => ["Högst 50 val.", "At most 50 choices."],
        ChoiceFault::NoKind(_) => {
            ["Välj driftstörningar, planerat arbete eller båda.", "Choose incidents, planned work or both."]
        }
        ChoiceFault::UnknownTarget(_) => {
            ["Det finns inget sådant på den här sidan.", "There is no such thing on this page."]
        }
        ChoiceFault::DigestTime => {
            ["Ange ett klockslag från 00:00 till 23:59.", "Give a time of day from 00:00 to 23:59."]
        }
    }
}

fn unfit(faults: &[ChoiceFault], at: &str) -> Problem {
    faults.iter().fold(Problem::new("choice-unfit"), |problem, fault| {
        let [sv, en] = fault_words(*fault);
        let place = match fault {
            ChoiceFault::Nothing | ChoiceFault::TooMany => format!("{at}/subscriptions"),
            ChoiceFault::NoKind(index) => format!("{at}/subscriptions/{index}"),
            ChoiceFault::UnknownTarget(index) => format!("{at}/subscriptions/{index}/target"),
            ChoiceFault::DigestTime => format!("{at}/dailyAt"),
        };
        problem.at(place, sv, en)
    })
}

/// A refusal as a problem; `at` is where in the body the choices stand.
pub fn problem(error: SubscribeError, at: &str) -> Problem {
    match error {
        SubscribeError::Limited(wait) => Problem::limited("sign-up-limit", &wait),
        SubscribeError::DomainNotAllowed => Problem::new("domain-not-allowed").at(
            "/address",
            "Adressens domän är inte bland dem som får prenumerera.",
            "The address's domain is not among those that may subscribe.",
        ),
        SubscribeError::Unfit(faults) => unfit(&faults, at),
        SubscribeError::LinkUnknown => Problem::new("link-unknown"),
        SubscribeError::HasLeft => Problem::new("subscription-ended"),
        // Lists are the operators'.
        SubscribeError::ListMalformed => Problem::new("malformed-value"),
        SubscribeError::Refused(refusal) => refusal.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_come_back_as_they_were_sent_and_faults_name_their_place() {
        let board = Board::default();
        let json = r#"{"dailyAt":"07:30","subscriptions":[{"target":"all","leastImpact":"major"}]}"#;
        let choices = serde_json::from_str::<WireChoices>(json).unwrap().read(&board, "/choices").unwrap();
        assert_eq!(choices.mode, Mode::Digest { hour: 7, minute: 30 });
        let back = serde_json::to_value(WireChoices::of(&choices, &board)).unwrap();
        assert_eq!(back["subscriptions"][0]["target"], "all");
        assert_eq!((&back["dailyAt"], &back["language"]), (&"07:30".into(), &"sv".into()));

        for (json, pointer) in [
            (r#"{"subscriptions":[{"target":"all"},{"target":"sitths"}]}"#, "/choices/subscriptions/1/target"),
            (r#"{"dailyAt":"24:00","subscriptions":[{"target":"all"}]}"#, "/choices/dailyAt"),
        ] {
            let refused = serde_json::from_str::<WireChoices>(json).unwrap().read(&board, "/choices");
            assert_eq!(refused.unwrap_err().violations[0][0].pointer, pointer);
        }
    }
}

//! Commands about services: what is down, what will be, and when it is over. The grammar is here, `acts.rs` makes
//! acts of it, `words.rs` puts replies into sentences.

mod acts;
pub(super) mod words;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;
use uuid::Uuid;

use super::grammar::{Ask, Command as Line};
use super::say::complain;
use super::{offline, operate};
use crate::admin::status::{StatusCommand, carry_out};
use crate::admin::{self, ClockCommand, Command};
use crate::daemon::offline::own_user;
use crate::exit::Exit;
use crate::render::Renderer;
use crate::usecase::Gateway;

#[derive(Subcommand)]
pub enum ComponentAct {
    /// Add a component, or write it anew.
    Add(ComponentFlags),
    /// Change what is given, leave the rest.
    Change(ComponentFlags),
    /// Offer it no longer; history keeps its name.
    Archive {
        slug: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Offer an archived one again.
    Restore {
        slug: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Add or write anew what the JSON file holds.
    Import {
        file: PathBuf,
        #[command(flatten)]
        ask: Ask,
    },
    /// All, with how they are now.
    List(Ask),
}

#[derive(Args)]
pub struct ComponentFlags {
    /// a-z, digits and single hyphens
    slug: String,
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    name_en: Option<String>,
    #[arg(long)]
    description: Option<String>,
    #[arg(long)]
    description_en: Option<String>,
    /// The group's slug; empty for none.
    #[arg(long)]
    group: Option<String>,
    /// Lower comes first.
    #[arg(long)]
    position: Option<u32>,
    /// staff, or public: shown on both pages
    #[arg(long)]
    audience: Option<String>,
    /// Run by somebody else.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    external: Option<bool>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Subcommand)]
pub enum GroupAct {
    /// Add a group, or write it anew.
    Add {
        slug: String,
        #[arg(long)]
        name: String,
        #[arg(long)]
        name_en: Option<String>,
        #[arg(long, default_value_t = 0)]
        position: u32,
        #[command(flatten)]
        ask: Ask,
    },
    /// Remove a group that nothing is in.
    Remove {
        slug: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// All groups.
    List(Ask),
}

/// What is told, to whom, and when.
#[derive(Args)]
pub struct Telling {
    /// What readers are told, in Swedish; - reads it from standard input.
    #[arg(long)]
    text: String,
    #[arg(long)]
    text_en: Option<String>,
    /// How long it can be taken back, such as 2m or 0; the region's rule when left out.
    #[arg(long)]
    hold: Option<String>,
    /// Show what would happen and do nothing.
    #[arg(long)]
    preview: bool,
    /// While the gateway is down: write to the store itself, and renew the copy of the public pages.
    #[arg(long)]
    offline: bool,
    /// With --offline: send the mails, too.
    #[arg(long, requires = "offline")]
    send: bool,
    #[command(flatten)]
    ask: Ask,
}

/// Where it is read.
#[derive(Args)]
pub struct Reading {
    /// While the gateway is down: from the store itself.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct IncidentFlags {
    /// SLUG=STATUS: operational, degraded_performance, partial_outage or major_outage. Repeat.
    #[arg(long = "component", value_name = "SLUG=STATUS")]
    components: Vec<String>,
    /// none, minor, major or critical, instead of what follows from the components.
    #[arg(long)]
    impact: Option<String>,
    /// A guess: it closes nothing.
    #[arg(long, value_name = "TIME")]
    expected_end: Option<String>,
    /// A promise: 08:30, "2026-11-23 08:30" in Swedish time, or RFC 3339.
    #[arg(long, value_name = "TIME")]
    next_update: Option<String>,
    /// What to do meanwhile.
    #[arg(long)]
    workaround: Option<String>,
    #[arg(long)]
    workaround_en: Option<String>,
    /// On the page only.
    #[arg(long)]
    no_mail: bool,
}

#[derive(Subcommand)]
pub enum IncidentAct {
    /// Tell that something is wrong.
    Open {
        #[arg(long)]
        title: String,
        #[arg(long)]
        title_en: Option<String>,
        /// staff, or public: shown on both pages
        #[arg(long)]
        audience: String,
        #[arg(long, default_value = "investigating")]
        status: String,
        #[arg(long, value_name = "TIME")]
        started: Option<String>,
        /// The region's own case number.
        #[arg(long)]
        reference: Option<String>,
        #[command(flatten)]
        flags: IncidentFlags,
        #[command(flatten)]
        telling: Telling,
    },
    /// Tell more; what is left out stays as it is.
    Update {
        id: Uuid,
        /// investigating, identified or monitoring; as it is when left out
        #[arg(long)]
        status: Option<String>,
        #[arg(long)]
        title: Option<String>,
        #[arg(long)]
        title_en: Option<String>,
        #[command(flatten)]
        flags: IncidentFlags,
        #[command(flatten)]
        telling: Telling,
    },
    /// Tell that it is over.
    Resolve {
        id: Uuid,
        #[arg(long)]
        no_mail: bool,
        #[command(flatten)]
        telling: Telling,
    },
    /// Replace the text of an update that said something wrong.
    Correct(Correction),
    /// Take back what was no incident.
    Withdraw {
        id: Uuid,
        #[command(flatten)]
        telling: Telling,
    },
    /// Those that last; with --all, of the last thirteen months.
    List {
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        reading: Reading,
    },
    /// One with its updates.
    Show {
        id: Uuid,
        #[command(flatten)]
        reading: Reading,
    },
}

#[derive(Args)]
pub struct Correction {
    id: Uuid,
    /// The number of the update.
    #[arg(long)]
    update: u32,
    #[arg(long)]
    no_mail: bool,
    #[command(flatten)]
    telling: Telling,
}

#[derive(Subcommand)]
pub enum MaintenanceAct {
    /// Plan a window.
    Schedule {
        #[arg(long)]
        title: String,
        #[arg(long)]
        title_en: Option<String>,
        #[arg(long)]
        audience: String,
        /// SLUG or SLUG=STATUS, under_maintenance unless said otherwise. Repeat.
        #[arg(long = "component", value_name = "SLUG")]
        components: Vec<String>,
        #[arg(long, value_name = "TIME")]
        from: String,
        #[arg(long, value_name = "TIME")]
        until: String,
        /// Why it could not be announced as far ahead as the region asks.
        #[arg(long)]
        emergency: Option<String>,
        #[arg(long)]
        emergency_en: Option<String>,
        /// Begin when somebody says so, not by the clock.
        #[arg(long)]
        started_by_hand: bool,
        /// End when somebody says so, not by the clock.
        #[arg(long)]
        ended_by_hand: bool,
        /// Start and end are told on the page only.
        #[arg(long)]
        quiet_transitions: bool,
        #[command(flatten)]
        telling: Telling,
    },
    /// Move it, or change what it is about.
    Change {
        id: Uuid,
        #[arg(long)]
        title: Option<String>,
        #[arg(long)]
        title_en: Option<String>,
        #[arg(long = "component", value_name = "SLUG")]
        components: Vec<String>,
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        #[arg(long)]
        emergency: Option<String>,
        #[arg(long)]
        emergency_en: Option<String>,
        #[command(flatten)]
        telling: Telling,
    },
    /// Say that it has begun.
    Start(Step),
    /// Say that the work is done and is being checked.
    Verify(Step),
    /// Say that it is over.
    Complete(Step),
    /// Say something and change nothing.
    Say(Step),
    /// Cancel it, or break it off.
    Cancel {
        id: Uuid,
        #[command(flatten)]
        telling: Telling,
    },
    /// Replace the text of an update that said something wrong.
    Correct(Correction),
    /// Those that lie ahead or go on; with --all, of the last thirteen months too.
    List {
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        reading: Reading,
    },
    /// One with its updates.
    Show {
        id: Uuid,
        #[command(flatten)]
        reading: Reading,
    },
}

#[derive(Args)]
pub struct Step {
    id: Uuid,
    #[arg(long)]
    no_mail: bool,
    #[command(flatten)]
    telling: Telling,
}

#[derive(Subcommand)]
pub enum SeriesAct {
    /// Plan maintenances that come again, as the JSON file says.
    Begin {
        file: PathBuf,
        /// Show what would happen and do nothing.
        #[arg(long)]
        preview: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Another plan from now on; what has been announced is moved or cancelled, with the reason.
    Change {
        id: Uuid,
        file: PathBuf,
        #[arg(long)]
        text: String,
        #[arg(long)]
        text_en: Option<String>,
        /// Show what would happen and do nothing.
        #[arg(long)]
        preview: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// No more; what lies ahead is cancelled, with the reason.
    End {
        id: Uuid,
        #[arg(long)]
        text: String,
        #[arg(long)]
        text_en: Option<String>,
        /// Show what would happen and do nothing.
        #[arg(long)]
        preview: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// All series.
    List(Ask),
}

#[derive(Subcommand)]
pub enum PendingAct {
    /// What is held, and what could not be published.
    List(Reading),
    /// Take it back before anybody is told.
    TakeBack {
        id: Uuid,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Subcommand)]
pub enum ClockAct {
    /// To a moment ahead.
    Set {
        time: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// By so much, such as 90m or 7d.
    Advance {
        by: String,
        #[command(flatten)]
        ask: Ask,
    },
}

/// Anything that this file has a grammar for.
pub enum Act {
    Component(ComponentAct),
    Group(GroupAct),
    Incident(IncidentAct),
    Maintenance(MaintenanceAct),
    Series(SeriesAct),
    Pending(PendingAct),
    Clock(ClockAct),
}

impl Act {
    /// A command of the line, given back where this file has no grammar for it.
    pub fn of(command: Line) -> Result<Act, Box<Line>> {
        Ok(match command {
            Line::Component { act } => Act::Component(act),
            Line::Group { act } => Act::Group(act),
            Line::Incident { act } => Act::Incident(act),
            Line::Maintenance { act } => Act::Maintenance(act),
            Line::Series { act } => Act::Series(act),
            Line::Pending { act } => Act::Pending(act),
            Line::Clock { act } => Act::Clock(act),
            other => return Err(Box::new(other)),
        })
    }
}

/// Gives it to the running gateway and says what came of it.
pub async fn run(act: Act) -> Exit {
    let (commands, ask) = match commands(act) {
        Ok(commands) => commands,
        Err(exit) => return exit,
    };
    if let Some(how) = ask.offline {
        let worked = offline::work(&ask.config, how, async |gateway, renderer| {
            without_gateway(gateway, renderer, commands, ask.json).await
        });
        return worked.await.err().unwrap_or(Exit::Ok);
    }
    operate::give(commands, &ask, show).await
}

/// The same commands, on the store itself.
async fn without_gateway(
    gateway: &Gateway,
    renderer: &Renderer,
    commands: Vec<Command>,
    json: bool,
) -> Result<(), Exit> {
    let user = admin::user_name(own_user().unwrap_or_default());
    for command in commands {
        let Command::Told { told } = command else { return Err(Exit::Usage) };
        match carry_out(gateway, renderer, *told, &user).await {
            Ok(value) => show(&value, json),
            Err(reason) => {
                complain(&reason);
                return Err(Exit::Invalid);
            }
        }
    }
    Ok(())
}

fn show(value: &Value, json: bool) {
    match words::sentences(value).filter(|_| !json) {
        Some(sentences) => super::say::say(&sentences),
        None => operate::show(value, json),
    }
}

/// What is asked of the gateway, and how to reach it.
pub(super) fn commands(act: Act) -> Result<(Vec<Command>, Ask), Exit> {
    if let Act::Clock(act) = act {
        let (clock, ask) = match act {
            ClockAct::Set { time, ask } => (ClockCommand::Set(acts::time(&time)?), ask),
            ClockAct::Advance { by, ask } => (ClockCommand::Advance(acts::length(&by)?), ask),
        };
        return Ok((vec![Command::Clock { clock }], ask));
    }
    let (told, ask) = acts::told(act)?;
    Ok((told.into_iter().map(|told| Command::Told { told: Box::new(told) }).collect(), ask))
}

/// What is to be done, and how to reach the gateway.
type Wanted = Result<(Vec<StatusCommand>, Ask), Exit>;

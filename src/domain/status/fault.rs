//! Why an act on what is told does not fit: the rule, its place, the remedy, in the author's language.

use super::words::{BODY_CHARS_MAX, REFERENCE_CHARS_MAX, TITLE_CHARS_MAX};
use crate::domain::language::Language;

/// Components of one subject; whoever needs more has an outage of everything to tell of.
pub const AFFECTED_MAX: usize = 50;

/// Why an act changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it is over ({status}): only its texts can be corrected, and what goes on anew is opened anew")]
    Over { status: &'static str },
    #[error("from {from} it cannot become {to}")]
    WrongStep { from: &'static str, to: &'static str },
    #[error("it has changed since it was read: it is at revision {current} now; read it and try again")]
    Stale { current: u32 },
    #[error("it has as many updates as one record holds: resolve, complete or cancel it, and open a new one")]
    Full,
    #[error("it has no update with that number")]
    UnknownUpdate,
    #[error("a person has taken it over: a probe writes to it no more")]
    TakenOver,
    #[error("there is no such incident, maintenance or series")]
    Unknown,
    #[error("{}", lines(.0))]
    Unfit(Vec<Violation>),
}

/// One thing that breaks a rule, and where in the act it stands (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub pointer: String,
    pub rule: Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    SwedishMissing,
    EnglishEmpty,
    TitleTooLong,
    BodyTooLong,
    ReferenceTooLong,
    ForbiddenCharacter,
    PersonId,
    NoComponents,
    TooManyComponents,
    UnknownComponent,
    ArchivedComponent,
    RepeatedComponent,
    ComponentNotPublic,
    NotUnderMaintenance,
    OpenedResolved,
    OpenedWorking,
    BeganInTheFuture,
    BeganLongAgo,
    NotAhead,
    PromiseTooFar,
    WindowInThePast,
    WindowTooFar,
    WindowBackwards,
    WindowTooLong,
    AlreadyBegun,
    NoticeTooShort { days: u16 },
    Slug,
    UnknownGroup,
    GroupInUse,
    NeverHappens,
    HoldTooLong,
}

impl Rule {
    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Rule::SwedishMissing => "swedish-missing",
            Rule::EnglishEmpty => "english-empty",
            Rule::TitleTooLong | Rule::BodyTooLong | Rule::ReferenceTooLong => "too-long",
            Rule::ForbiddenCharacter => "forbidden-character",
            Rule::PersonId => "person-id-in-text",
            Rule::NoComponents => "no-components",
            Rule::TooManyComponents => "too-many-components",
            Rule::UnknownComponent => "unknown-component",
            Rule::ArchivedComponent => "archived-component",
            Rule::RepeatedComponent => "repeated-component",
            Rule::ComponentNotPublic => "component-not-public",
            Rule::NotUnderMaintenance => "not-under-maintenance",
            Rule::OpenedResolved => "opened-resolved",
            Rule::OpenedWorking => "opened-working",
            Rule::BeganInTheFuture | Rule::BeganLongAgo => "began-when",
            Rule::NotAhead => "not-ahead",
            Rule::PromiseTooFar => "promise-too-far",
            Rule::WindowInThePast | Rule::WindowTooFar | Rule::WindowBackwards | Rule::WindowTooLong => "window",
            Rule::AlreadyBegun => "already-begun",
            Rule::NoticeTooShort { .. } => "notice-too-short",
            Rule::Slug => "slug",
            Rule::UnknownGroup => "unknown-group",
            Rule::GroupInUse => "group-in-use",
            Rule::NeverHappens => "never-happens",
            Rule::HoldTooLong => "hold-too-long",
        }
    }

    /// The rule and the remedy.
    pub fn text(self, language: Language) -> String {
        match language {
            Language::Sv => self.swedish(),
            Language::En => self.english(),
        }
    }

    fn swedish(self) -> String {
        match self {
            Rule::SwedishMissing => "Svensk text krävs: skriv den.".into(),
            Rule::EnglishEmpty => "Engelsk text är frivillig, men får inte vara tom: skriv den eller utelämna den.".into(),
            Rule::TitleTooLong => format!("En rubrik är högst {TITLE_CHARS_MAX} tecken: korta den."),
            Rule::BodyTooLong => format!("En text är högst {BODY_CHARS_MAX} tecken: korta den."),
            Rule::ReferenceTooLong => format!("Ett ärendenummer är högst {REFERENCE_CHARS_MAX} tecken."),
            Rule::ForbiddenCharacter => {
                "Styrtecken och tecken som vänder skrivriktningen får inte finnas: skriv om texten utan dem.".into()
            }
            Rule::PersonId => "Ett personnummer står i texten, och den mejlas ut: skriv om den utan det.".into(),
            Rule::NoComponents => "Ange minst en tjänst som berörs: annars når beskedet inte dem som följer den.".into(),
            Rule::TooManyComponents => format!("Högst {AFFECTED_MAX} tjänster kan anges: ange dem som berörs mest."),
            Rule::UnknownComponent => "Tjänsten finns inte: se listan över tjänster.".into(),
            Rule::ArchivedComponent => "Tjänsten är arkiverad: ange den som har ersatt den.".into(),
            Rule::RepeatedComponent => "Tjänsten anges två gånger: ange den en gång.".into(),
            Rule::ComponentNotPublic => {
                "Tjänsten visas bara för personal: ange en som visas för invånare, eller vänd dig till personalen.".into()
            }
            Rule::NotUnderMaintenance => {
                "En störning sätter ingen tjänst under underhåll: ange hur den fungerar, eller planera ett servicefönster.".into()
            }
            Rule::OpenedResolved => "En störning öppnas innan den är åtgärdad: öppna den, och åtgärda den sedan.".into(),
            Rule::OpenedWorking => {
                "Tjänsten anges som fungerande: ange hur den störs, eller påverkan none om det bara är upplysning.".into()
            }
            Rule::BeganInTheFuture => "En störning kan inte börja i framtiden: planera ett servicefönster i stället.".into(),
            Rule::BeganLongAgo => "Störningen skulle ha börjat för mer än ett år sedan: rätta tiden.".into(),
            Rule::NotAhead => "Tiden har passerat: ange en som ligger framåt.".into(),
            Rule::PromiseTooFar => "Nästa besked lovas inom sju dygn: ange en tidigare tid.".into(),
            Rule::WindowInThePast => "Servicefönstret skulle ha börjat redan: ange en tid framåt.".into(),
            Rule::WindowTooFar => "Servicefönstret ligger mer än två år bort: planera det senare.".into(),
            Rule::WindowBackwards => "Servicefönstret slutar innan det börjar: rätta tiderna.".into(),
            Rule::WindowTooLong => "Ett servicefönster är högst 31 dygn: dela upp det.".into(),
            Rule::AlreadyBegun => "Arbetet har redan börjat: bara sluttiden kan flyttas.".into(),
            Rule::NoticeTooShort { days } => {
                format!("Ett servicefönster anmäls {days} dygn i förväg: flytta det, eller ange varför det är brådskande.")
            }
            Rule::Slug => "Ett kortnamn är 1–64 tecken: a–z, siffror och enkla bindestreck.".into(),
            Rule::UnknownGroup => "Gruppen finns inte: lägg till den först.".into(),
            Rule::GroupInUse => "Det finns tjänster i gruppen: flytta dem först.".into(),
            Rule::NeverHappens => "Med de här reglerna inträffar det aldrig: rätta start, slut eller undantag.".into(),
            Rule::HoldTooLong => "Ett besked kan hållas högst ett dygn: ange en kortare tid.".into(),
        }
    }

    fn english(self) -> String {
        match self {
            Rule::SwedishMissing => "Swedish text is required: write it.".into(),
            Rule::EnglishEmpty => "English is optional but must not be empty: write it or leave it out.".into(),
            Rule::TitleTooLong => format!("A title has at most {TITLE_CHARS_MAX} characters: shorten it."),
            Rule::BodyTooLong => format!("A text has at most {BODY_CHARS_MAX} characters: shorten it."),
            Rule::ReferenceTooLong => format!("A reference has at most {REFERENCE_CHARS_MAX} characters."),
            Rule::ForbiddenCharacter => {
                "Control characters and marks that turn the writing direction are refused: write it without them."
                    .into()
            }
            Rule::PersonId => "An identity number stands in the text, which is mailed out: write it without.".into(),
            Rule::NoComponents => "Name at least one component: who follows it would not be told otherwise.".into(),
            Rule::TooManyComponents => format!("At most {AFFECTED_MAX} components: name those hit hardest."),
            Rule::UnknownComponent => "There is no such component: see the list of components.".into(),
            Rule::ArchivedComponent => "The component is archived: name the one that has replaced it.".into(),
            Rule::RepeatedComponent => "The component is named twice: name it once.".into(),
            Rule::ComponentNotPublic => {
                "The component is shown to staff only: name one that citizens see, or tell the staff instead.".into()
            }
            Rule::NotUnderMaintenance => {
                "An incident puts nothing under maintenance: say how the component works, or schedule a maintenance."
                    .into()
            }
            Rule::OpenedResolved => "An incident is opened before it is resolved: open it, then resolve it.".into(),
            Rule::OpenedWorking => {
                "The component is said to work: say how it does not, or the impact none if this only informs.".into()
            }
            Rule::BeganInTheFuture => "An incident cannot begin in the future: schedule a maintenance instead.".into(),
            Rule::BeganLongAgo => "The incident would have begun more than a year ago: mend the time.".into(),
            Rule::NotAhead => "That time has passed: give one that lies ahead.".into(),
            Rule::PromiseTooFar => "The next update is promised within seven days: give an earlier time.".into(),
            Rule::WindowInThePast => "The window would have begun already: give a time ahead.".into(),
            Rule::WindowTooFar => "The window is more than two years away: schedule it later.".into(),
            Rule::WindowBackwards => "The window ends before it begins: mend the times.".into(),
            Rule::WindowTooLong => "A window lasts at most 31 days: split it.".into(),
            Rule::AlreadyBegun => "The work has begun: only its end can be moved.".into(),
            Rule::NoticeTooShort { days } => {
                format!("A window is asked for {days} days ahead: move it, or give the reason of the emergency.")
            }
            Rule::Slug => "A slug has 1-64 characters: a-z, digits and single hyphens.".into(),
            Rule::UnknownGroup => "There is no such group: add it first.".into(),
            Rule::GroupInUse => "There are components in the group: move them first.".into(),
            Rule::NeverHappens => "By these rules it never happens: mend start, end or exceptions.".into(),
            Rule::HoldTooLong => "A notice is held for a day at most: give a shorter hold.".into(),
        }
    }
}

fn lines(violations: &[Violation]) -> String {
    let line = |v: &Violation| format!("{}: {}", v.pointer, v.rule.text(Language::En));
    violations.iter().map(line).collect::<Vec<_>>().join("\n")
}

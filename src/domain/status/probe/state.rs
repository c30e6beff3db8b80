//! From results to what is to be told, pure: thresholds, flap damping, a hold while somebody works on the component.
//!
//! What is settled and what was told are two things. Each result settles how the component is; `due` compares that with
//! what was last told. So what could not be told, because of a hold, a stop or a full disk, is told later if it still
//! holds, and never twice.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Verdict;

/// So many changes within the window, and the component is unstable.
pub const CHANGES_TO_UNSTABLE: usize = 4;
/// The window, and how long an unstable component must be steady before it counts as such.
pub const UNSTABLE_WINDOW: SignedDuration = SignedDuration::from_mins(30);

/// What one probe knows. A small record: it is written when more than the counts of the present run has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeState {
    /// How the component is, as settled by the thresholds.
    pub level: Verdict,
    /// When the first of the results came that made it bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it went from working to not working or back, within the window; oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unstable_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// Not kept: after a restart a threshold is counted anew.
    #[serde(skip)]
    runs: Runs,
}

/// Which incident tells of it, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Told {
    pub incident: Uuid,
    pub condition: Condition,
    /// Opened by this probe. Otherwise somebody else's incident that says as much already.
    pub own: bool,
}

/// What is told of a component that does not simply work; the worse the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    Weak,
    /// Now it works, now it does not.
    Unstable,
    Fails,
}

/// What is to be told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Nothing,
    Open(Condition),
    Update(Condition),
    /// Told once, opened for if need be, and held open until the component is steady.
    Unstable,
    Resolve,
}

/// When a probe believes its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    pub failures_to_open: u32,
    pub successes_to_close: u32,
}

/// Results in a row, up to the latest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Runs {
    /// That do not work, and since when.
    bad: u32,
    bad_since: Option<Timestamp>,
    fails: u32,
    works: u32,
    /// That do not fail.
    holds: u32,
}

impl Default for ProbeState {
    fn default() -> ProbeState {
        ProbeState {
            level: Verdict::Works,
            since: None,
            changes: Vec::new(),
            unstable_until: None,
            told: None,
            runs: Runs::default(),
        }
    }
}

impl Runs {
    fn count(&mut self, verdict: Verdict, at: Timestamp) {
        let next = |run: u32, holds: bool| if holds { run.saturating_add(1) } else { 0 };
        *self = Runs {
            bad: next(self.bad, verdict > Verdict::Works),
            bad_since: (verdict > Verdict::Works).then(|| self.bad_since.unwrap_or(at)),
            fails: next(self.fails, verdict == Verdict::Fails),
            works: next(self.works, verdict == Verdict::Works),
            holds: next(self.holds, verdict < Verdict::Fails),
        };
    }

    fn settle(&self, level: Verdict, thresholds: Thresholds) -> Verdict {
        let (open, close) = (thresholds.failures_to_open, thresholds.successes_to_close);
        match level {
            Verdict::Works | Verdict::Weak if self.fails >= open => Verdict::Fails,
            Verdict::Works if self.bad >= open => Verdict::Weak,
            Verdict::Weak | Verdict::Fails if self.works >= close => Verdict::Works,
            Verdict::Fails if self.holds >= close => Verdict::Weak,
            level => level,
        }
    }
}

impl ProbeState {
    /// Takes a result in and says what is to be told. While `held`, somebody works on the component: nothing is told,
    /// and what changes says nothing of its steadiness.
    pub fn observe(&mut self, thresholds: Thresholds, verdict: Verdict, at: Timestamp, held: bool) -> Step {
        self.runs.count(verdict, at);
        let before = self.level;
        self.level = self.runs.settle(before, thresholds);
        if self.level == Verdict::Works {
            self.since = None;
        } else if before == Verdict::Works {
            self.since = self.runs.bad_since;
        }
        let turned = (before == Verdict::Works) != (self.level == Verdict::Works);
        self.weigh_steadiness(turned && !held, at);
        if held { Step::Nothing } else { self.due(verdict) }
    }

    fn weigh_steadiness(&mut self, turned: bool, at: Timestamp) {
        self.changes.retain(|change| change.duration_until(at) < UNSTABLE_WINDOW);
        if turned {
            self.changes.push(at);
        }
        let again = turned && self.unstable_until.is_some();
        if again || self.changes.len() >= CHANGES_TO_UNSTABLE {
            self.changes.clear();
            self.unstable_until = at.checked_add(UNSTABLE_WINDOW).ok();
        }
        if self.unstable_until.is_some_and(|until| until <= at) {
            self.unstable_until = None;
            // That it is over is told as any other change is.
            if self.level == Verdict::Works {
                self.changes.push(at);
            }
        }
    }

    /// `latest` is asked too: what was bad during a hold is told only if it is still seen to be bad.
    fn due(&self, latest: Verdict) -> Step {
        match (self.told.map(|told| told.condition), self.condition()) {
            (None, None) => Step::Nothing,
            (None, Some(_)) if latest == Verdict::Works => Step::Nothing,
            (Some(told), Some(condition)) if told == condition => Step::Nothing,
            (_, Some(Condition::Unstable)) => Step::Unstable,
            (None, Some(condition)) => Step::Open(condition),
            (Some(_), Some(condition)) => Step::Update(condition),
            (Some(_), None) => Step::Resolve,
        }
    }

    /// Since when every result was bad, as far as was counted since the start.
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.runs.bad_since
    }

    /// What readers would be told; none where it works.
    pub fn condition(&self) -> Option<Condition> {
        match (self.unstable_until, self.level) {
            (Some(_), _) => Some(Condition::Unstable),
            (None, Verdict::Works) => None,
            (None, Verdict::Weak) => Some(Condition::Weak),
            (None, Verdict::Fails) => Some(Condition::Fails),
        }
    }

    /// The incident that told of it was ended by somebody else. It takes fresh results to open another.
    pub fn let_go(&mut self) {
        *self = ProbeState::default();
    }

    /// Whether a restart would lose more than the counts of the present run.
    pub fn differs_on_disk(&self, kept: &ProbeState) -> bool {
        ProbeState { runs: Runs::default(), ..self.clone() } != ProbeState { runs: Runs::default(), ..kept.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Fails, Weak, Works};
    use proptest::prelude::*;

    const USUAL: Thresholds = Thresholds { failures_to_open: 3, successes_to_close: 2 };
    const INCIDENT: Uuid = Uuid::from_u128(7);

    /// A probe that looks once a minute, and tells what it is to tell.
    struct Run {
        state: ProbeState,
        now: Timestamp,
    }

    impl Run {
        fn new() -> Run {
            Run { state: ProbeState::default(), now: "2026-11-23T06:40:00Z".parse().unwrap() }
        }

        fn look(&mut self, verdict: Verdict, held: bool) -> Step {
            self.now += SignedDuration::from_mins(1);
            let step = self.state.observe(USUAL, verdict, self.now, held);
            let told = |condition| Some(Told { incident: INCIDENT, condition, own: true });
            match step {
                Step::Nothing => {}
                Step::Open(condition) | Step::Update(condition) => self.state.told = told(condition),
                Step::Unstable => self.state.told = told(Condition::Unstable),
                Step::Resolve => self.state.told = None,
            }
            step
        }

        fn see(&mut self, verdicts: &[Verdict]) -> Vec<Step> {
            let steps: Vec<Step> = verdicts.iter().map(|verdict| self.look(*verdict, false)).collect();
            steps.into_iter().filter(|step| *step != Step::Nothing).collect()
        }
    }

    const OPEN: Step = Step::Open(Condition::Fails);

    #[test]
    fn three_failures_in_a_row_open_and_two_successes_in_a_row_close() {
        let mut run = Run::new();
        assert_eq!(run.see(&[Fails, Fails, Works, Fails, Fails, Works]), []);
        assert_eq!(run.see(&[Fails, Fails]), []);
        assert_eq!(run.look(Fails, false), OPEN);
        assert_eq!(run.state.since, Some("2026-11-23T06:47:00Z".parse().unwrap()));
        assert_eq!(run.see(&[Fails, Works, Fails, Fails, Works]), []);
        assert_eq!(run.look(Works, false), Step::Resolve);
        assert_eq!(run.see(&[Works; 100]), []);
    }

    #[test]
    fn what_gets_worse_or_better_without_working_is_an_update() {
        let mut run = Run::new();
        assert_eq!(run.see(&[Weak, Weak, Weak]), [Step::Open(Condition::Weak)]);
        assert_eq!(run.see(&[Fails, Fails, Fails]), [Step::Update(Condition::Fails)]);
        assert_eq!(run.see(&[Weak, Weak]), [Step::Update(Condition::Weak)]);
        assert_eq!(run.see(&[Works, Works]), [Step::Resolve]);
        // Mixed bad results open as the milder.
        assert_eq!(run.see(&[Fails, Weak, Fails]), [Step::Open(Condition::Weak)]);
    }

    #[test]
    fn who_flaps_is_told_of_once_and_closed_after_half_an_hour_of_peace() {
        let mut run = Run::new();
        let (down, up) = ([Fails; 3], [Works; 2]);
        assert_eq!((run.see(&down), run.see(&up)), (vec![OPEN], vec![Step::Resolve]));
        assert_eq!(run.see(&down), [OPEN]);
        assert_eq!(run.see(&up), [Step::Unstable]);
        for _ in 0..10 {
            assert_eq!(run.see(&[down.as_slice(), &up].concat()), []);
        }
        // 29 minutes are not enough, the next result is.
        assert_eq!(run.see(&[Works; 29]), []);
        assert_eq!(run.look(Works, false), Step::Resolve);
    }

    #[test]
    fn who_flapped_and_then_stays_down_is_told_to_be_down() {
        let mut run = Run::new();
        let (down, up) = ([Fails; 3], [Works; 2]);
        run.see(&[down.as_slice(), &up, &down, &up, &down].concat());
        assert_eq!(run.see(&[Fails; 30]), [Step::Update(Condition::Fails)]);
        assert_eq!(run.see(&up), [Step::Resolve]);
    }

    #[test]
    fn slow_changes_are_no_flapping() {
        let mut run = Run::new();
        for _ in 0..10 {
            assert_eq!(run.see(&[Fails; 15]), [OPEN]);
            assert_eq!(run.see(&[Works; 15]), [Step::Resolve]);
        }
    }

    #[test]
    fn a_maintenance_holds_what_is_to_be_told_until_it_is_over() {
        let mut run = Run::new();
        for _ in 0..5 {
            assert_eq!(run.look(Fails, true), Step::Nothing);
        }
        // Still broken afterwards.
        assert_eq!(run.look(Fails, false), OPEN);
        for verdict in [Works, Works, Works] {
            assert_eq!(run.look(verdict, true), Step::Nothing);
        }
        // Who was told that it opened is told that it closed.
        assert_eq!(run.look(Works, false), Step::Resolve);
    }

    #[test]
    fn what_was_mended_during_the_maintenance_is_not_told_as_broken_after_it() {
        let mut run = Run::new();
        for _ in 0..5 {
            run.look(Fails, true);
        }
        assert_eq!(run.see(&[Works, Works, Works]), []);
    }

    #[test]
    fn restarts_during_a_maintenance_say_nothing_of_steadiness() {
        let mut run = Run::new();
        for _ in 0..4 {
            for verdict in [Fails, Fails, Fails, Works, Works] {
                run.look(verdict, true);
            }
        }
        assert_eq!(run.state.unstable_until, None);
    }

    #[test]
    fn what_could_not_be_told_is_told_at_the_next_result() {
        let mut run = Run::new();
        run.see(&[Fails, Fails]);
        run.now += SignedDuration::from_mins(1);
        assert_eq!(run.state.observe(USUAL, Fails, run.now, false), OPEN);
        // Nobody noted that it was told.
        assert_eq!(run.look(Fails, false), OPEN);
    }

    #[test]
    fn an_incident_that_a_person_ended_takes_fresh_failures_to_come_again() {
        let mut run = Run::new();
        assert_eq!(run.see(&[Fails; 3]), [OPEN]);
        run.state.let_go();
        assert_eq!(run.see(&[Fails; 2]), []);
        assert_eq!(run.look(Fails, false), OPEN);
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![Just(Works), Just(Weak), Just(Fails)]
    }

    /// A look, whether a maintenance holds, and whether the daemon is restarted after it.
    fn history() -> impl Strategy<Value = Vec<(Verdict, bool, bool)>> {
        // Runs rather than single results, or thresholds would seldom be met.
        let run = (verdict(), 1_usize..6, prop::bool::weighted(0.1), prop::bool::weighted(0.1));
        prop::collection::vec(run, 1..60).prop_map(|runs| {
            let run = |(verdict, count, held, restart)| {
                (0..count).map(move |n| (verdict, held, restart && n == 0)).collect::<Vec<_>>()
            };
            runs.into_iter().flat_map(run).collect()
        })
    }

    proptest! {
        #[test]
        fn whoever_is_told_that_it_opened_is_told_once_and_is_told_that_it_closed(history in history()) {
            let mut run = Run::new();
            let mut open = false;
            for (verdict, held, restart) in history {
                let step = run.look(verdict, held);
                match step {
                    Step::Nothing => {}
                    Step::Open(_) => { prop_assert!(!open && !held && verdict > Works); open = true; }
                    Step::Update(_) => prop_assert!(open && !held),
                    Step::Unstable => { prop_assert!(!held); open = true; }
                    Step::Resolve => { prop_assert!(open && !held); open = false; }
                }
                prop_assert_eq!(open, run.state.told.is_some());
                prop_assert!(run.state.changes.len() < CHANGES_TO_UNSTABLE);
                if restart {
                    let kept = serde_json::to_string(&run.state).unwrap();
                    let read: ProbeState = serde_json::from_str(&kept).unwrap();
                    prop_assert!(!read.differs_on_disk(&run.state));
                    run.state = read;
                }
            }
            // Peace for longer than the window closes whatever was open, and as much again forgets that it was.
            for _ in 0..70 {
                run.look(Works, false);
            }
            let calm = ProbeState { runs: run.state.runs, ..ProbeState::default() };
            prop_assert_eq!(run.state, calm);
        }

        #[test]
        fn no_half_hour_holds_more_notices_than_changes_to_unstable(history in history()) {
            let mut run = Run::new();
            let mut told: Vec<Timestamp> = Vec::new();
            for (verdict, _, _) in history {
                if matches!(run.look(verdict, false), Step::Open(_) | Step::Resolve | Step::Unstable) {
                    told.push(run.now);
                }
            }
            let window = SignedDuration::ZERO..UNSTABLE_WINDOW;
            let followed = |at: &Timestamp| told.iter().filter(|next| window.contains(&at.duration_until(**next))).count();
            prop_assert!(told.iter().all(|at| followed(at) <= CHANGES_TO_UNSTABLE));
        }
    }
}

//! The walk along form and response together: what is there, how often, in which order, and whether it was asked.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    TEXT_CHARS_MAX,
    answer::Datatype,
    code::IssueCode,
    enable::Frame,
    issue::Issue,
    moment::Moment,
    options::Choices,
    questionnaire::{Item, ItemType, PublicationStatus, Questionnaire},
    read::Findings,
    response::{Answered, Node, Response, Status},
    rules,
};
use crate::domain::json;

impl Questionnaire {
    /// Checks a `QuestionnaireResponse` by FHIR's rules. One that is not finished (`in-progress`, `stopped`,
    /// `entered-in-error`) may lack answers. `now` stands in for a response that does not say when it was written.
    pub fn check(&self, response: &Value, now: Timestamp) -> Vec<Issue> {
        let mut findings = Findings::default();
        self.read_and_check(response, now, &mut findings);
        findings.into_issues()
    }

    /// As `check`, and the response must be finished: what a case may hold.
    pub fn check_submission(&self, response: &Value, now: Timestamp) -> Vec<Issue> {
        let mut findings = Findings::default();
        if self.read_and_check(response, now, &mut findings).is_some_and(|status| status != Status::Completed) {
            findings.add(IssueCode::NotCompleted, "/status", None, "");
        }
        findings.into_issues()
    }

    fn read_and_check(&self, value: &Value, now: Timestamp, findings: &mut Findings) -> Option<Status> {
        let response = Response::read(value, findings)?;
        self.check_publication(&response, now, findings);
        let frame = Frame { item: None, answer: None, nodes: &response.nodes, outer: None };
        let mut walk = Walk { form: self, is_complete: response.status.is_complete(), findings };
        walk.level(&self.items, &frame, "");
        Some(response.status)
    }

    fn check_publication(&self, response: &Response<'_>, now: Timestamp, findings: &mut Findings) {
        if let (Some(canonical), Some(url)) = (response.questionnaire, &self.url) {
            let (answered_url, version) = canonical.split_once('|').map_or((canonical, None), |(u, v)| (u, Some(v)));
            let is_other_version = version.zip(self.version.as_deref()).is_some_and(|(theirs, ours)| theirs != ours);
            if answered_url != url || is_other_version {
                let expected = self.canonical().unwrap_or_default();
                findings.add(IssueCode::QuestionnaireMismatch, "/questionnaire", None, expected);
            }
        }
        let authored = response.authored.clone().unwrap_or_else(|| Moment::at(now));
        let is_early = self.effective_from.as_ref().is_some_and(|start| authored.is_before(start));
        let is_late = self.effective_to.as_ref().is_some_and(|end| end.is_before(&authored));
        if is_early || is_late {
            findings.add(IssueCode::QuestionnaireInactive, "/authored", None, "");
        }
        match self.status {
            PublicationStatus::Draft => findings.add(IssueCode::QuestionnaireDraft, "/questionnaire", None, ""),
            PublicationStatus::Retired => findings.add(IssueCode::QuestionnaireRetired, "/questionnaire", None, ""),
            PublicationStatus::Active | PublicationStatus::Unknown => {}
        }
    }
}

struct Walk<'w> {
    form: &'w Questionnaire,
    is_complete: bool,
    findings: &'w mut Findings,
}

impl Walk<'_> {
    fn add(&mut self, code: IssueCode, pointer: &str, item: &Item, detail: impl Into<String>) {
        self.findings.add(code, pointer, Some(&item.link_id), detail);
    }

    /// The items of one level, in one place of the response. `pointer` is the place: issues about what is missing
    /// have no other. Recursion is bounded by the form's depth.
    fn level(&mut self, items: &[Item], frame: &Frame<'_, '_>, pointer: &str) {
        self.order(items, frame.nodes);
        for item in items {
            let nodes: Vec<&Node<'_>> = frame.nodes.iter().filter(|node| node.link_id == item.link_id).collect();
            if !item.enable.holds(self.form, frame) {
                for node in nodes.iter().filter(|node| node.is_answered()) {
                    self.add(IssueCode::DisabledAnswer, &node.pointer, item, "");
                }
                continue;
            }
            match item.kind {
                ItemType::Display => self.display(item, &nodes),
                ItemType::Group => self.group(item, &nodes, frame, pointer),
                _ => self.question(item, &nodes, frame, pointer),
            }
        }
    }

    /// Items that the form does not have here, and items before which a later one came.
    fn order(&mut self, items: &[Item], nodes: &[Node<'_>]) {
        let mut furthest = 0;
        for node in nodes {
            match items.iter().position(|item| item.link_id == node.link_id) {
                None => {
                    // The form does not know it, so it may be anything: only what looks like a linkId is told.
                    let looks_like_one = node.link_id.split(['.', '/']).all(json::is_showable);
                    let link_id = Some(node.link_id).filter(|_| looks_like_one);
                    self.findings.add(IssueCode::InvalidLinkId, &node.pointer, link_id, "");
                }
                Some(index) if index < furthest => {
                    self.findings.add(IssueCode::ItemOrder, &node.pointer, Some(node.link_id), "");
                }
                Some(index) => furthest = index,
            }
        }
    }

    fn display(&mut self, item: &Item, nodes: &[&Node<'_>]) {
        self.once(item, nodes);
        for node in nodes {
            if !node.answers.is_empty() {
                self.add(IssueCode::DisplayAnswer, &node.pointer, item, "");
            }
            self.order(&[], &node.items);
        }
    }

    fn group(&mut self, item: &Item, nodes: &[&Node<'_>], frame: &Frame<'_, '_>, pointer: &str) {
        for node in nodes {
            if node.answers.is_empty() {
                let inside = Frame { item: Some(item), answer: None, nodes: &node.items, outer: Some(frame) };
                self.level(&item.items, &inside, &node.pointer);
            } else {
                self.add(IssueCode::GroupShouldNotHaveAnswers, &node.pointer, item, "");
            }
        }
        let occurrences: Vec<&str> = nodes.iter().map(|node| node.pointer.as_str()).collect();
        let place = nodes.first().map_or(pointer, |node| &node.pointer);
        self.presence(item, nodes.iter().any(|node| node.is_answered()), occurrences.len(), place);
        self.number(item, &occurrences);
    }

    fn question(&mut self, item: &Item, nodes: &[&Node<'_>], frame: &Frame<'_, '_>, pointer: &str) {
        self.once(item, nodes);
        let answers: Vec<&Answered<'_>> = nodes.iter().flat_map(|node| &node.answers).collect();
        for node in nodes.iter().filter(|node| !node.items.is_empty()) {
            self.add(IssueCode::QuestionShouldNotHaveItems, &node.pointer, item, "");
        }
        for answered in &answers {
            self.answer(item, answered);
            let inside = Frame { item: Some(item), answer: Some(answered), nodes: &answered.items, outer: Some(frame) };
            self.level(&item.items, &inside, &answered.pointer);
        }
        let place = nodes.first().map_or(pointer, |node| &node.pointer);
        self.presence(item, !answers.is_empty(), answers.len(), place);
        self.number(item, &answers.iter().map(|answered| answered.pointer.as_str()).collect::<Vec<_>>());
        self.exclusive(item, &answers);
    }

    /// The answer's type first; the rules about values only for a value of the right type.
    fn answer(&mut self, item: &Item, answered: &Answered<'_>) {
        let accepted = item.accepts();
        let code = match &answered.value {
            _ if !answered.datatype.is_some_and(|datatype| accepted.contains(&datatype)) => {
                IssueCode::InvalidAnswerType
            }
            Err(code) => *code,
            Ok(answer) => {
                for (code, detail) in rules::broken(item, answer) {
                    self.add(code, &answered.pointer, item, detail);
                }
                return;
            }
        };
        let detail = match code {
            IssueCode::TooLarge => format!("{} characters", TEXT_CHARS_MAX),
            _ => accepted.into_iter().map(Datatype::name).collect::<Vec<_>>().join("|"),
        };
        self.add(code, &answered.pointer, item, detail);
    }

    /// FHIR repeats a group's item, but gathers a question's answers in one.
    fn once(&mut self, item: &Item, nodes: &[&Node<'_>]) {
        for node in nodes.iter().skip(1) {
            self.add(IssueCode::DuplicateItem, &node.pointer, item, "");
        }
    }

    fn presence(&mut self, item: &Item, is_answered: bool, count: usize, pointer: &str) {
        if !self.is_complete {
            return;
        }
        let min = item.limits.min_occurs.unwrap_or_default();
        if item.required && !is_answered {
            self.add(IssueCode::Required, pointer, item, "");
        } else if u64::try_from(count).is_ok_and(|count| count < min) {
            self.add(IssueCode::MinCount, pointer, item, min.to_string());
        }
    }

    fn number(&mut self, item: &Item, pointers: &[&str]) {
        if !item.repeats
            && let Some(second) = pointers.get(1)
        {
            self.add(IssueCode::Repeats, second, item, "");
        }
        let Some(max) = item.limits.max_occurs else { return };
        if let Some(surplus) = usize::try_from(max).ok().and_then(|max| pointers.get(max)) {
            self.add(IssueCode::MaxCount, surplus, item, max.to_string());
        }
    }

    fn exclusive(&mut self, item: &Item, answers: &[&Answered<'_>]) {
        let Choices::Options(options) = &item.choices else { return };
        let exclusive = answers.iter().find(|answered| {
            let Ok(answer) = &answered.value else { return false };
            options.iter().any(|option| option.exclusive && option.value.equals(answer))
        });
        if let (Some(exclusive), 2..) = (exclusive, answers.len()) {
            self.add(IssueCode::ExclusiveAnswerOption, &exclusive.pointer, item, "");
        }
    }
}

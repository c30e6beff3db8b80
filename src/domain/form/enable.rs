//! `enableWhen`: whether a question is asked at all, given the answers to others.
//!
//! Operators are FHIR R4's: "exists" by presence; `=` and the orders if at least one answer fits (R4's definition of the
//! orders has a slip of the pen, "at least no answer"); `!=` if no answer is equal, so also if there is none.

use std::cmp::Ordering;

use super::{
    answer::{Answer, Datatype},
    code::IssueCode,
    options::Membership,
    questionnaire::{Item, ItemType, Questionnaire},
    read::{Findings, Object},
    response::{Answered, Node},
};

/// Conditions of one item.
const CONDITIONS_MAX: usize = 32;

/// When an item is asked.
#[derive(Default)]
pub struct Enable {
    /// One condition is enough; otherwise all must hold.
    any: bool,
    conditions: Vec<Condition>,
}

struct Condition {
    question: String,
    operator: Operator,
    answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Exists,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
}

impl Operator {
    fn parse(text: &str) -> Option<Operator> {
        Some(match text {
            "exists" => Operator::Exists,
            "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" => Operator::GreaterOrEqual,
            "<=" => Operator::LessOrEqual,
            _ => return None,
        })
    }

    fn holds(self, answers: &[&Answer], expected: &Answer) -> bool {
        let any = |fits: fn(Ordering) -> bool| answers.iter().any(|a| a.order(expected).is_some_and(fits));
        match self {
            Operator::Exists => *expected == Answer::Boolean(!answers.is_empty()),
            Operator::Equal => answers.iter().any(|answer| answer.equals(expected)),
            Operator::NotEqual => !answers.iter().any(|answer| answer.equals(expected)),
            Operator::Greater => any(Ordering::is_gt),
            Operator::Less => any(Ordering::is_lt),
            Operator::GreaterOrEqual => any(Ordering::is_ge),
            Operator::LessOrEqual => any(Ordering::is_le),
        }
    }
}

/// Where in a response an item stands, from the inside out: whose part of the response can answer its conditions.
pub struct Frame<'a, 'r> {
    /// The item that this is the inside of; `None` for the whole response.
    pub item: Option<&'a Item>,
    /// The answer that this is the inside of, if the item is a question.
    pub answer: Option<&'a Answered<'r>>,
    pub nodes: &'a [Node<'r>],
    pub outer: Option<&'a Frame<'a, 'r>>,
}

impl Enable {
    pub fn read(item: &Object<'_>, findings: &mut Findings) -> Enable {
        let objects = item.objects("enableWhen", findings);
        if objects.len() > CONDITIONS_MAX {
            findings.add(IssueCode::TooLarge, &item.at("enableWhen"), None, format!("{CONDITIONS_MAX} enableWhen"));
        }
        let conditions: Vec<_> =
            objects.iter().take(CONDITIONS_MAX).filter_map(|object| condition(object, findings)).collect();
        let any = match item.text("enableBehavior", findings) {
            Some("any") => true,
            Some("all") => false,
            None if objects.len() <= 1 => false,
            _ => {
                findings.add(IssueCode::EnableBehavior, &item.pointer, None, "");
                false
            }
        };
        Enable { any, conditions }
    }

    /// Whether the form can ever ask by these conditions; once all its items are known. `pointer` is the item's.
    pub fn check(&self, form: &Questionnaire, item: &Item, pointer: &str, findings: &mut Findings) {
        for (index, condition) in self.conditions.iter().enumerate() {
            if let Err((code, detail)) = condition.check(form, item) {
                findings.add(code, &format!("{pointer}/enableWhen/{index}"), Some(&item.link_id), detail);
            }
        }
    }

    /// Whether the item is asked in that place of a response.
    pub fn holds(&self, form: &Questionnaire, frame: &Frame<'_, '_>) -> bool {
        let mut conditions = self.conditions.iter();
        let holds = |c: &Condition| c.operator.holds(&answers_to(&c.question, form, frame), &c.answer);
        if self.any && !self.conditions.is_empty() { conditions.any(holds) } else { conditions.all(holds) }
    }
}

fn condition(object: &Object<'_>, findings: &mut Findings) -> Option<Condition> {
    object.only(&["question", "operator", "answer[x]"], findings);
    let question = object.owned("question", findings);
    let operator = object.text("operator", findings).and_then(Operator::parse);
    let answer = match object.choice("answer")[..] {
        [(suffix, value)] => Datatype::of_suffix(suffix).and_then(|datatype| Answer::read(datatype, value).ok()),
        _ => None,
    };
    for (missing, code, detail) in [
        (question.is_none(), IssueCode::EnableQuestion, ""),
        (operator.is_none(), IssueCode::EnableOperator, ""),
        (answer.is_none(), IssueCode::EnableAnswer, "answer[x]"),
    ] {
        if missing {
            findings.add(code, &object.pointer, None, detail);
        }
    }
    Some(Condition { question: question?, operator: operator?, answer: answer? })
}

impl Condition {
    fn check(&self, form: &Questionnaire, item: &Item) -> Result<(), (IssueCode, String)> {
        let question = form
            .item(&self.question)
            .filter(|question| question.kind.datatype().is_some())
            .filter(|question| question.link_id != item.link_id && !form.is_below(&question.link_id, &item.link_id))
            .ok_or((IssueCode::EnableQuestion, String::new()))?;
        let datatype = self.answer.datatype();
        let accepted = match self.operator {
            Operator::Exists => vec![Datatype::Boolean],
            // R4 has no answerUri, so an address is compared as a string.
            _ if question.kind == ItemType::Url => vec![Datatype::String],
            _ => question.accepts(),
        };
        let is_ordered = matches!(
            datatype,
            Datatype::Decimal
                | Datatype::Integer
                | Datatype::Date
                | Datatype::DateTime
                | Datatype::Time
                | Datatype::Quantity
        );
        let is_for_any = matches!(self.operator, Operator::Exists | Operator::Equal | Operator::NotEqual);
        let is_comparable = datatype != Datatype::Attachment;
        if !is_comparable || !(is_for_any || is_ordered) {
            return Err((IssueCode::EnableOperator, String::new()));
        }
        let is_offered = self.operator == Operator::Exists
            || question.kind == ItemType::OpenChoice
            || question.choices.membership(&self.answer) != Membership::NotMember;
        if !accepted.contains(&datatype) || !is_offered {
            let names: Vec<_> = accepted.into_iter().map(Datatype::name).collect();
            return Err((IssueCode::EnableAnswer, names.join("|")));
        }
        Ok(())
    }
}

/// The answers that count for an item in its place: those within the innermost part of the response that holds both the
/// item and the question, so that each occurrence of a repeated group is judged by its own answers, and a follow-up
/// question by the answer that it follows.
fn answers_to<'a>(question: &str, form: &Questionnaire, frame: &'a Frame<'a, '_>) -> Vec<&'a Answer> {
    let mut frame = frame;
    loop {
        match (frame.item, frame.answer) {
            (Some(item), Some(answer)) if item.link_id == question => {
                return answer.value.as_ref().ok().into_iter().collect();
            }
            (Some(item), _) if !form.is_below(question, &item.link_id) => {}
            _ => break,
        }
        match frame.outer {
            Some(outer) => frame = outer,
            None => break,
        }
    }
    let mut answers = Vec::new();
    collect(question, frame.nodes, &mut answers);
    answers
}

/// Recursion is bounded: a response's tree is no deeper than `DEPTH_MAX`.
fn collect<'a>(question: &str, nodes: &'a [Node<'_>], answers: &mut Vec<&'a Answer>) {
    for node in nodes {
        if node.link_id == question {
            answers.extend(node.answers.iter().filter_map(|answered| answered.value.as_ref().ok()));
        }
        collect(question, &node.items, answers);
        for answered in &node.answers {
            collect(question, &answered.items, answers);
        }
    }
}

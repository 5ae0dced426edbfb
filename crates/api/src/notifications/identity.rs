//! Which stored rule a written one is (C4).

use std::{collections::HashSet, io};

use bucketbell_rule::{Draft, Rule, RuleId};

use crate::ApiError;

/// Returns the rules that the drafts describe, each under its id.
///
/// A draft with an id is that stored rule. One without, or with the all-zero id, is new, unless a stored rule that no
/// draft names has the same url, events, prefix and suffix: then it is that one, and keeps its secret and its queue.
///
/// # Errors
///
/// 400 with the first draft that is refused; 500 when there is no randomness for a new id.
pub(super) fn rules(
    drafts: &[Draft],
    stored: &[Rule],
    random: fn() -> io::Result<[u8; 16]>,
) -> Result<Vec<Rule>, ApiError> {
    let mut named = HashSet::new();
    for (index, draft) in drafts.iter().enumerate() {
        let Some(id) = draft.id.filter(|id| !id.is_nil()) else { continue };
        if !stored.iter().any(|rule| rule.id == id) {
            let message = format!("rule `{id}` is not a rule of this bucket: leave `id` out for a new rule");
            return Err(ApiError::bad_field(format!("rules[{index}].id"), message));
        }
        if !named.insert(id) {
            return Err(ApiError::bad_field(format!("rules[{index}].id"), format!("rule `{id}` is given twice")));
        }
    }
    let mut free: Vec<&Rule> = stored.iter().filter(|rule| !named.contains(&rule.id)).collect();
    let mut rules = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        rules.push(rule(index, draft, stored, &mut free, random)?);
    }
    Ok(rules)
}

fn rule(
    index: usize,
    draft: &Draft,
    stored: &[Rule],
    free: &mut Vec<&Rule>,
    random: fn() -> io::Result<[u8; 16]>,
) -> Result<Rule, ApiError> {
    let valid = |id: RuleId, before: Option<&Rule>| {
        draft
            .validate(id, before.and_then(|rule| rule.target.secret.as_ref()))
            .map_err(|error| ApiError::bad_field(format!("rules[{index}].{}", error.field), error.to_string()))
    };
    if draft.name.is_some() {
        let message = "only endpoints of the configuration file have a name: leave it out";
        return Err(ApiError::bad_field(format!("rules[{index}].name"), message));
    }
    if let Some(id) = draft.id.filter(|id| !id.is_nil()) {
        return valid(id, stored.iter().find(|rule| rule.id == id));
    }
    let new = valid(RuleId::from_bytes([0; 16]), None)?;
    if let Some(place) = free.iter().position(|rule| same(rule, &new)) {
        let before = free.remove(place);
        return valid(before.id, Some(before));
    }
    let id = random().map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "no randomness for a rule's id");
        ApiError::internal()
    })?;
    Ok(Rule { id: RuleId::from_random(id), ..new })
}

/// Returns whether two rules want the same events at the same place. The order of the events does not matter.
fn same(one: &Rule, other: &Rule) -> bool {
    let events = |rule: &Rule| {
        let mut names: Vec<String> = rule.events.iter().map(ToString::to_string).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    one.target.url == other.target.url
        && one.prefix == other.prefix
        && one.suffix == other.suffix
        && events(one) == events(other)
}

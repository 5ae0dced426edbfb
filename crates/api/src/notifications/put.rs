//! `PUT /api/v1/buckets/{bucketName}/notifications`.

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use bucketbell_access::audit;
use bucketbell_ledger::{Role, RulesError};
use bucketbell_rule::{Draft, Scope};
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    identity, open,
    version::{allows, etag},
    view::RulesView,
};
use crate::{ApiError, ApiState, body};

/// Rounds of reading and saving before another writer is let win.
const ROUNDS_MAX: usize = 8;

/// Replaces all rules of the bucket (C1) and answers with what was saved, its ETag, and how many deliveries of removed
/// rules became dead letters (C12). A write that starts after the answer is matched against the new rules.
///
/// With If-Match it is refused (412) when the rules have another version by then. Without, the last writer wins, and
/// still every id and every kept secret is judged against the very version that is replaced.
pub(crate) async fn put(
    State(state): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (account, bucket) = open(&state, &headers, path).await?;
    let drafts = drafts(body::json(body).await?, state.rules_per_bucket_max)?;
    let scope = Scope::Bucket(bucket.name.clone());
    for _ in 0..ROUNDS_MAX {
        let stored = state.ledger.rules(&scope).await?;
        if !allows(&headers, stored.version) {
            return Err(ApiError::changed());
        }
        let rules = identity::rules(&drafts, &stored.rules, state.random)?;
        // Rules of other accounts need the judgement of their urls (C5), which this version does not make yet.
        if account.role != Role::Admin {
            return Err(ApiError::forbidden("rules are saved by an administrator"));
        }
        match state.ledger.put_rules(&scope, rules.clone(), Some(stored.version)).await {
            Ok(change) => {
                audit(&account.name, "notifications.put", &bucket.name);
                let view = RulesView::saved(&rules, change.dead);
                return Ok(([(header::ETAG, etag(change.version))], Json(view)).into_response());
            }
            Err(RulesError::Changed) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::contended())
}

/// Returns the drafts of `{"rules": […]}`, each refusal with the place it is about.
fn drafts(body: Value, rules_max: usize) -> Result<Vec<Draft>, ApiError> {
    let Value::Object(mut fields) = body else {
        return Err(ApiError::bad_request("the body must be an object such as {\"rules\": []}"));
    };
    let rules = fields.remove("rules");
    // PUT answers it, and what it answers can be sent back.
    fields.remove("dead_letters");
    if let Some(unknown) = fields.keys().next() {
        return Err(ApiError::bad_field(unknown, format!("unknown field `{unknown}`: the body has only `rules`")));
    }
    let Some(Value::Array(rules)) = rules else {
        return Err(ApiError::bad_field(
            "rules",
            "`rules` is required and must be an array, empty to remove all rules",
        ));
    };
    if rules.len() > rules_max {
        let message = format!("{} rules are too many: a bucket has at most {rules_max}", rules.len());
        return Err(ApiError::bad_field("rules", message));
    }
    rules.into_iter().enumerate().map(|(index, rule)| draft(index, rule)).collect()
}

fn draft(index: usize, rule: Value) -> Result<Draft, ApiError> {
    let Value::Object(mut fields) = rule else {
        return Err(ApiError::bad_field(format!("rules[{index}]"), "a rule must be an object"));
    };
    // GET shows it, and what GET shows can be sent back.
    fields.remove("secret_set");
    // A draft has a default for every field, so each field can be read alone, and the refused one is known by name.
    if let Some((name, error)) = fields.iter().find_map(|(name, value)| Some((name, alone(name, value).err()?))) {
        // The reason quotes the value, and a secret is not quoted, not even to who sent it (C6).
        let reason = if name == "secret" { "must be a text or null".to_owned() } else { error.to_string() };
        return Err(ApiError::bad_field(format!("rules[{index}].{name}"), format!("`{name}`: {reason}")));
    }
    Draft::deserialize(Value::Object(fields))
        .map_err(|error| ApiError::bad_field(format!("rules[{index}]"), error.to_string()))
}

fn alone(name: &str, value: &Value) -> Result<Draft, serde_json::Error> {
    Draft::deserialize(Value::Object(Map::from_iter([(name.to_owned(), value.clone())])))
}

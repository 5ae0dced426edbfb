//! The rules of a scope: stored, compiled, replaced as a whole.

use std::{collections::HashSet, time::Duration};

use bucketbell_event::Pattern;
use bucketbell_rule::{CompiledRules, Matcher, Rule, RuleId, Scope, Secret, Target};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    memory::{BucketRow, Slot},
    rows::{parsed, signed, unsigned},
    writer::Tx,
};
use crate::{EndpointId, Instance, RuleSet, RulesError, RulesSaved, RulesVersion, Sealer, Signal, StoreError};

const RULE: &str = "SELECT r.id, r.name, r.url, r.events, r.prefix, r.suffix, r.enabled, r.paused, r.dialect, r.secret,
                           r.timeout_ms, r.max_retries, r.max_age_ms, r.concurrency, e.id
                    FROM rule r JOIN endpoint e ON e.rule_id = r.id WHERE r.removed_us IS NULL";

/// Reads one row of [`RULE`].
fn read_rule(row: &Row<'_>, sealer: Option<&Sealer>) -> Result<(Rule, EndpointId), StoreError> {
    let id = RuleId::from_bytes(row.get(0)?);
    let (url, events, dialect): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(8)?);
    let sealed: Option<Vec<u8>> = row.get(9)?;
    // Who only matches needs no secrets.
    let secret = match (sealed, sealer) {
        (Some(sealed), Some(sealer)) => {
            Some(Secret::new(sealer.open("rule", &id.to_string(), &sealed)?.as_str().to_owned()))
        }
        _ => None,
    };
    let rule = Rule {
        id,
        name: row.get(1)?,
        events: parsed(serde_json::from_str::<Vec<Pattern>>(&events), "rule", "events", id)?,
        prefix: row.get(4)?,
        suffix: row.get(5)?,
        enabled: row.get(6)?,
        paused: row.get(7)?,
        target: Target {
            url: parsed(url.parse(), "rule", "url", id)?,
            dialect: parsed(dialect.parse(), "rule", "dialect", id)?,
            secret,
            timeout: Duration::from_millis(unsigned(row.get(10)?)),
            max_retries: row.get(11)?,
            max_age: Duration::from_millis(unsigned(row.get(12)?)),
            concurrency: row.get(13)?,
        },
    };
    Ok((rule, EndpointId(row.get(14)?)))
}

/// Returns the live rules whose endpoints the instance owns (DL-1), all or those of `only`, with opened secrets.
pub(super) fn owned(
    connection: &Connection,
    sealer: &Sealer,
    instance: Instance,
    only: Option<Vec<EndpointId>>,
) -> Result<Vec<(Rule, EndpointId)>, StoreError> {
    let mut rules = Vec::new();
    let Some(only) = only else {
        let mut statement = connection.prepare(&format!("{RULE} AND e.owner = ?1 ORDER BY e.id"))?;
        let mut rows = statement.query([instance.epoch])?;
        while let Some(row) = rows.next()? {
            rules.push(read_rule(row, Some(sealer))?);
        }
        return Ok(rules);
    };
    let mut statement = connection.prepare_cached(&format!("{RULE} AND e.owner = ?1 AND e.id = ?2"))?;
    for endpoint in only {
        let mut rows = statement.query([instance.epoch, endpoint.0])?;
        while let Some(row) = rows.next()? {
            rules.push(read_rule(row, Some(sealer))?);
        }
    }
    Ok(rules)
}

fn of_scope(
    connection: &Connection,
    bucket: Option<BucketRow>,
    sealer: Option<&Sealer>,
) -> Result<Vec<(Rule, EndpointId)>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{RULE} AND r.bucket_id IS ?1 ORDER BY r.position"))?;
    let mut rows = statement.query([bucket])?;
    let mut rules = Vec::new();
    while let Some(row) = rows.next()? {
        rules.push(read_rule(row, sealer)?);
    }
    Ok(rules)
}

/// Returns the matchers of a scope, if it has rules. A paused rule matches: its deliveries are made and wait (C11).
pub(super) fn compile(
    connection: &Connection,
    bucket: Option<BucketRow>,
) -> Result<Option<CompiledRules<EndpointId>>, StoreError> {
    let rules = of_scope(connection, bucket, None)?;
    let matchers: Vec<(Matcher, EndpointId)> =
        rules.iter().map(|(rule, endpoint)| (rule.matcher(), *endpoint)).collect();
    Ok(if matchers.is_empty() { None } else { Some(CompiledRules::new(matchers)) })
}

/// Returns the scope's row (none for the server) and its version.
fn scope_row(connection: &Connection, scope: &Scope) -> Result<(Option<BucketRow>, RulesVersion), RulesError> {
    match scope {
        Scope::Server => connection
            .query_row("SELECT rules_version FROM store", [], |row| Ok((None, RulesVersion(row.get(0)?))))
            .map_err(|error| StoreError::from(error).into()),
        Scope::Bucket(name) => connection
            .prepare_cached("SELECT id, rules_version FROM bucket WHERE name = ?1 AND deleted_us IS NULL")
            .and_then(|mut statement| {
                let read = |row: &Row<'_>| Ok((Some(row.get(0)?), RulesVersion(row.get(1)?)));
                statement.query_row([name], read).optional()
            })
            .map_err(StoreError::from)?
            .ok_or_else(|| RulesError::NoSuchBucket(name.clone())),
    }
}

pub(super) fn read(connection: &Connection, scope: &Scope, sealer: &Sealer) -> Result<RuleSet, RulesError> {
    let (bucket, version) = scope_row(connection, scope)?;
    let rules = of_scope(connection, bucket, Some(sealer))?;
    Ok(RuleSet { version, rules: rules.into_iter().map(|(rule, _)| rule).collect() })
}

impl Tx<'_> {
    pub fn put_rules(
        &mut self,
        scope: &Scope,
        rules: &[Rule],
        if_match: Option<RulesVersion>,
    ) -> Result<RulesSaved, RulesError> {
        let (bucket, version) = scope_row(self.connection, scope)?;
        if if_match.is_some_and(|wanted| wanted != version) {
            return Err(RulesError::Changed);
        }
        let mut given = HashSet::new();
        if let Some(twice) = rules.iter().find(|rule| !given.insert(rule.id)) {
            return Err(RulesError::RepeatedRule(twice.id));
        }
        let now = self.memory.tick(self.clock).timestamp().as_micros();
        let mut dead = 0;
        let mut endpoints = Vec::new();
        for (rule, endpoint) in of_scope(self.connection, bucket, None)? {
            if !given.contains(&rule.id) {
                self.run("UPDATE rule SET removed_us = ?2 WHERE id = ?1", params![rule.id.as_bytes(), now])?;
                dead += self.hold(endpoint, true).map_or(0, |slot| slot.owed);
                endpoints.push(endpoint);
            }
        }
        for (position, rule) in (0i64..).zip(rules) {
            endpoints.push(self.put_rule(bucket, position, rule, now)?);
        }
        let version = RulesVersion(version.0 + 1);
        match bucket {
            Some(bucket) => {
                self.run("UPDATE bucket SET rules_version = ?2 WHERE id = ?1", params![bucket, version.0])?;
            }
            None => {
                self.run("UPDATE store SET rules_version = ?1", [version.0])?;
            }
        }
        self.memory.forget_compiled(bucket);
        self.signal(Signal::RulesChanged { endpoints });
        Ok(RulesSaved { version, dead })
    }

    fn put_rule(
        &mut self,
        bucket: Option<BucketRow>,
        position: i64,
        rule: &Rule,
        now: i64,
    ) -> Result<EndpointId, RulesError> {
        let events = serde_json::to_string(&rule.events).map_err(|error| StoreError::Database(error.to_string()))?;
        let secret = match &rule.target.secret {
            Some(secret) => Some(self.sealer.seal("rule", &rule.id.to_string(), secret.expose().as_bytes())?),
            None => None,
        };
        // A rule that comes back before its queue was buried takes up its numbers where they stood.
        let saved = self.run(
            "INSERT INTO rule (id, bucket_id, position, name, url, events, prefix, suffix, enabled, paused, dialect,
                               secret, timeout_ms, max_retries, max_age_ms, concurrency, created_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
             ON CONFLICT (id) DO UPDATE SET
               position = excluded.position, name = excluded.name, url = excluded.url, events = excluded.events,
               prefix = excluded.prefix, suffix = excluded.suffix, enabled = excluded.enabled,
               paused = excluded.paused, dialect = excluded.dialect, secret = excluded.secret,
               timeout_ms = excluded.timeout_ms, max_retries = excluded.max_retries, max_age_ms = excluded.max_age_ms,
               concurrency = excluded.concurrency, removed_us = NULL
             WHERE rule.bucket_id IS excluded.bucket_id",
            params![
                rule.id.as_bytes(),
                bucket,
                position,
                rule.name,
                rule.target.url.as_str(),
                events,
                rule.prefix,
                rule.suffix,
                rule.enabled,
                rule.paused,
                rule.target.dialect.as_str(),
                secret,
                signed(u64::try_from(rule.target.timeout.as_millis()).unwrap_or(u64::MAX)),
                rule.target.max_retries,
                signed(u64::try_from(rule.target.max_age.as_millis()).unwrap_or(u64::MAX)),
                rule.target.concurrency,
                now,
            ],
        )?;
        if saved == 0 {
            // The id stands in another scope.
            return Err(RulesError::UnknownRule(rule.id));
        }
        Ok(self.put_endpoint(rule)?)
    }

    fn put_endpoint(&mut self, rule: &Rule) -> Result<EndpointId, StoreError> {
        let held = !rule.enabled || rule.paused;
        let stands: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM endpoint WHERE rule_id = ?1")?
            .query_row([rule.id.as_bytes()], |row| row.get(0))
            .optional()?;
        if let Some(endpoint) = stands {
            self.hold(EndpointId(endpoint), held);
            return Ok(EndpointId(endpoint));
        }
        let owner = self.memory.epoch();
        self.run("INSERT INTO endpoint (rule_id, owner) VALUES (?1, ?2)", params![rule.id.as_bytes(), owner])?;
        let endpoint = EndpointId(self.connection.last_insert_rowid());
        let slot = Slot { rule: rule.id, owner, numbered_to: 0, taken_to: 0, owed: 0, held, credit: 0 };
        self.memory.insert_slot(endpoint, slot);
        Ok(endpoint)
    }

    /// Holds an endpoint's deliveries back, or lets them go. Its owner takes again when it has read the new rules.
    fn hold(&mut self, endpoint: EndpointId, held: bool) -> Option<&Slot> {
        let slot = self.memory.slot_mut(endpoint)?;
        slot.held = held;
        if held {
            slot.credit = 0;
        }
        Some(slot)
    }
}

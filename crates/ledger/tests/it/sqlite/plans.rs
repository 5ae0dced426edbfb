//! No statement reads a whole table that grows with load, or sorts it.
//!
//! The statements are found in the source, so that one that is added is judged too.

use std::{collections::BTreeMap, fs, path::Path};

use rusqlite::Connection;

use super::sqlite;
use crate::fixture::House;

/// Tables that grow with load. The others are small, or read as a whole once.
const GROWING: [&str; 7] = ["object", "blob", "blob_inline", "event", "delivery", "dead", "attempt"];

/// Plans that may read all: `(start of the statement, why)`.
const EXCEPTIONS: [(&str, &str); 1] = [("SELECT e.id, e.rule_id", "the mirror is filled once, at the start")];

/// Returns the string literals of Rust source, without escapes resolved beyond the line's end.
fn literals(source: &str) -> Vec<String> {
    let mut literals = Vec::new();
    for line in source.split_inclusive('\n') {
        // A comment may hold one quotation mark.
        let code = if line.trim_start().starts_with("//") { "\n" } else { line };
        literals.push(code);
    }
    let code = literals.concat().replace("\\\"", "'").replace("'\"'", "' '");
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns the named pieces that statements are made of: `NAME: &str = "…"` and `let name = "…"`.
fn pieces(source: &str) -> BTreeMap<String, String> {
    let mut pieces = BTreeMap::new();
    let starts = source.match_indices(" = \"").map(|(at, found)| (at, at + found.len()));
    for (at, start) in starts {
        let before = source[..at].trim_end_matches(": &str");
        let name: String = before.chars().rev().take_while(|char| char.is_alphanumeric() || *char == '_').collect();
        let text = source[start..].split('"').next().unwrap_or_default();
        pieces.insert(format!("{{{}}}", name.chars().rev().collect::<String>()), text.to_owned());
    }
    pieces
}

fn statements() -> Vec<String> {
    let mut statements = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sqlite")).expect("the source") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = fs::read_to_string(&path).expect("source");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let pieces = pieces(source);
        for literal in literals(source) {
            let mut sql = literal.replace("{comparison}", ">=");
            for (name, text) in &pieces {
                sql = sql.replace(name, text);
            }
            if pieces.values().any(|text| *text == sql) {
                continue;
            }
            if ["SELECT ", "INSERT ", "UPDATE ", "DELETE "].iter().any(|verb| sql.starts_with(verb)) {
                statements.push(sql);
            }
        }
    }
    statements
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap_or_else(|error| {
        panic!("{error}: {sql}");
    });
    let lines = statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>();
    lines.expect("a plan")
}

#[tokio::test]
async fn no_statement_reads_or_sorts_a_whole_growing_table() {
    let store = sqlite();
    let house = House::open(&store).await;
    let beside = store.beside();
    let statements = statements();
    assert!(statements.len() > 60, "{} statements: they are no longer found", statements.len());
    let mut bad = Vec::new();
    for sql in statements {
        if EXCEPTIONS.iter().any(|(start, _)| sql.starts_with(start)) {
            continue;
        }
        for line in plan(&beside, &sql) {
            let scans = line.strip_prefix("SCAN ").map(|rest| rest.split(' ').next().unwrap_or_default());
            let growing = scans.is_some_and(|table| {
                GROWING.contains(&table) && !line.contains("USING") || ["d", "dead"].contains(&table)
            });
            if growing || line.contains("TEMP B-TREE") {
                bad.push(format!("{line}\n    of {sql}"));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    house.ledger.close().await;
}

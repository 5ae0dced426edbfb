//! Looking at all rows of all tables.

use std::collections::BTreeMap;

use rusqlite::{Connection, types::Value};

/// Every row of every table, by table.
pub type Dump = BTreeMap<String, Vec<Vec<String>>>;

pub fn tables(connection: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = connection.prepare(sql).expect("the schema");
    let names = statement.query_map([], |row| row.get(0)).expect("names");
    names.collect::<Result<_, _>>().expect("names")
}

pub fn dump(connection: &Connection) -> Dump {
    let snapshot = connection.unchecked_transaction().expect("a snapshot");
    let mut names = tables(&snapshot);
    names.push("sqlite_sequence".to_owned());
    names.into_iter().map(|table| (table.clone(), rows(&snapshot, &table))).collect()
}

/// Fails when two dumps differ in anything but the ledger's clock, which gives no place twice, used or not.
pub fn assert_same(before: &Dump, after: &Dump, what: &str) {
    assert!(before.keys().eq(after.keys()), "{what}: other tables");
    for (table, rows) in before {
        assert_eq!(&after[table], rows, "{what}: other rows in {table}");
    }
}

fn rows(connection: &Connection, table: &str) -> Vec<Vec<String>> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).expect("a table");
    let clock = statement.column_index("clock_us").ok();
    let columns = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| {
        (0..columns)
            .filter(|column| Some(*column) != clock)
            .map(|column| row.get::<_, Value>(column).map(|value| format!("{value:?}")))
            .collect()
    };
    let rows = statement.query_map([], read).expect("rows");
    let mut rows: Vec<Vec<String>> = rows.collect::<Result<_, _>>().expect("rows");
    rows.sort();
    rows
}

pub fn count(connection: &Connection, table: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM {table}");
    connection.query_row(&sql, [], |row| row.get::<_, u32>(0)).expect("a count").into()
}

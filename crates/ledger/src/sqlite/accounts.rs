//! Accounts and their credentials.

use bucketbell_rule::Secret;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{rows::parsed, writer::Tx};
use crate::{AccessKey, Account, AccountId, AdminCredentials, Role, Sealer, StoreError, TokenHash};

/// The account that the first start makes.
const ADMIN: &str = "admin";

fn read_account(row: &Row<'_>) -> Result<Account, StoreError> {
    let (id, role): (i64, String) = (row.get(0)?, row.get(2)?);
    let role = match role.as_str() {
        "admin" => Ok(Role::Admin),
        "user" => Ok(Role::User),
        _ => Err(()),
    };
    Ok(Account { id: AccountId(id), name: row.get(1)?, role: parsed(role, "account", "role", id)? })
}

pub(super) fn has_admin(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM credential c JOIN account a ON a.id = c.account_id WHERE a.role = 'admin')";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

pub(super) fn access_key(
    connection: &Connection,
    sealer: &Sealer,
    access_key: &str,
) -> Result<Option<AccessKey>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT a.id, a.name, a.role, c.secret_key FROM credential c JOIN account a ON a.id = c.account_id
         WHERE c.access_key = ?1",
    )?;
    let mut rows = statement.query([access_key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let sealed: Vec<u8> = row.get(3)?;
    let secret = sealer.open("credential", access_key, &sealed)?;
    Ok(Some(AccessKey { account: read_account(row)?, secret_key: Secret::new(secret.as_str()) }))
}

pub(super) fn by_token(connection: &Connection, token: TokenHash) -> Result<Option<Account>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT a.id, a.name, a.role FROM credential c JOIN account a ON a.id = c.account_id WHERE c.token = ?1",
    )?;
    let mut rows = statement.query([token.0])?;
    rows.next()?.map(read_account).transpose()
}

impl Tx<'_> {
    pub fn put_admin(&mut self, credentials: &AdminCredentials) -> Result<Account, StoreError> {
        let now = self.clock.now().as_micros();
        self.run(
            "INSERT INTO account (name, role, created_us) VALUES (?1, 'admin', ?2) ON CONFLICT (name) DO NOTHING",
            params![ADMIN, now],
        )?;
        let sql = "SELECT id, name, role FROM account WHERE name = ?1";
        let id: Option<i64> = self.connection.query_row(sql, [ADMIN], |row| row.get(0)).optional()?;
        let Some(id) = id else {
            return Err(StoreError::Inconsistency { table: "account", column: "name", row: ADMIN.to_owned() });
        };
        let sealed =
            self.sealer.seal("credential", &credentials.access_key, credentials.secret_key.expose().as_bytes())?;
        self.run("DELETE FROM credential WHERE account_id = ?1", [id])?;
        self.run(
            "INSERT INTO credential (account_id, token, created_us) VALUES (?1, ?2, ?3)",
            params![id, credentials.token.0, now],
        )?;
        self.run(
            "INSERT INTO credential (account_id, access_key, secret_key, created_us) VALUES (?1, ?2, ?3, ?4)",
            params![id, credentials.access_key, sealed, now],
        )?;
        Ok(Account { id: AccountId(id), name: ADMIN.to_owned(), role: Role::Admin })
    }
}

//! `<data-dir>/credentials`: the admin's credentials as lines that a shell can source.

use std::{fs, io, path::PathBuf};

use anyhow::Context;
use bucketbell_access::{AdminFromEnv, PlainCredentials};
use bucketbell_rule::Secret;

use crate::{
    config::Environment,
    data_dir::{DataDir, read_private, write_private},
};

pub const TOKEN: &str = "BUCKETBELL_ADMIN_TOKEN";
pub const ACCESS_KEY: &str = "BUCKETBELL_ADMIN_ACCESS_KEY";
pub const SECRET_KEY: &str = "BUCKETBELL_ADMIN_SECRET_KEY";

/// The names that S3 clients look for, so that sourcing the file is all that `aws` needs.
const AWS_ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const AWS_SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";

const HEAD: &str = "# The admin's credentials. Keep this file to yourself.\n";
/// Stands in the file until a start that got as far as both ports has told a person.
const UNTOLD: &str = "# Not shown yet: the next start that succeeds prints them, once.\n";

/// Returns what the environment says about the admin.
pub fn admin_from(environment: &Environment<'_>) -> AdminFromEnv {
    AdminFromEnv {
        token: environment.get(TOKEN).map(Secret::new),
        access_key: environment.get(ACCESS_KEY),
        secret_key: environment.get(SECRET_KEY).map(Secret::new),
    }
}

/// The file, whether it is there or not. When it is, what it says is in force.
#[derive(Debug, Clone)]
pub struct CredentialsFile(PathBuf);

impl CredentialsFile {
    pub fn of(dir: &DataDir) -> Self {
        Self(dir.join("credentials"))
    }

    pub fn path(&self) -> std::path::Display<'_> {
        self.0.display()
    }

    /// Returns the credentials in the file, `None` when it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be read, or does not hold all three.
    pub fn read(&self) -> anyhow::Result<Option<PlainCredentials>> {
        let text = read_private(&self.0).with_context(|| format!("cannot read {}", self.path()))?;
        let Some(text) = text else { return Ok(None) };
        parse(&text).map(Some).with_context(|| {
            format!("{} lacks a line: each of {TOKEN}, {ACCESS_KEY} and {SECRET_KEY} needs one", self.path())
        })
    }

    /// Writes the file. Credentials that were not `told` yet are found by [`CredentialsFile::untold`].
    pub fn write(&self, credentials: &PlainCredentials, told: bool) -> io::Result<()> {
        write_private(&self.0, &written(credentials, told))
    }

    /// Returns the credentials in the file when no start has shown them to a person yet, as after one that found its port
    /// taken.
    ///
    /// # Errors
    ///
    /// As [`CredentialsFile::read`].
    pub fn untold(&self) -> anyhow::Result<Option<PlainCredentials>> {
        let text = read_private(&self.0).with_context(|| format!("cannot read {}", self.path()))?;
        if text.is_some_and(|text| text.contains(UNTOLD)) { self.read() } else { Ok(None) }
    }

    /// Moves the file to `credentials.old`, where it stays until the next time: what it says is about to be out of date.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn set_aside(&self) -> io::Result<PathBuf> {
        let old = self.0.with_extension("old");
        fs::rename(&self.0, &old)?;
        Ok(old)
    }

    pub fn is_there(&self) -> bool {
        self.0.try_exists().unwrap_or(false)
    }
}

fn written(credentials: &PlainCredentials, told: bool) -> String {
    let (token, secret_key) = (credentials.token.expose(), credentials.secret_key.expose());
    let access_key = &credentials.access_key;
    let line = |name: &str, value: &str| format!("{name}='{}'\n", value.replace('\'', r"'\''"));
    [
        HEAD.to_owned(),
        if told { String::new() } else { UNTOLD.to_owned() },
        line(TOKEN, token),
        line(ACCESS_KEY, access_key),
        line(SECRET_KEY, secret_key),
        line(AWS_ACCESS_KEY, access_key),
        line(AWS_SECRET_KEY, secret_key),
    ]
    .concat()
}

fn parse(text: &str) -> Option<PlainCredentials> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
        let bare = line.strip_prefix('\'').and_then(|line| line.strip_suffix('\'')).unwrap_or(line);
        Some(bare.replace(r"'\''", "'"))
    };
    Some(PlainCredentials {
        token: Secret::new(value(TOKEN)?),
        access_key: value(ACCESS_KEY)?,
        secret_key: Secret::new(value(SECRET_KEY)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> PlainCredentials {
        PlainCredentials {
            token: Secret::new("tok'en $x `y` \\"),
            access_key: "AKIA".to_owned(),
            secret_key: Secret::new("se=cr+et/"),
        }
    }

    #[test]
    fn what_is_written_reads_back_here_and_in_a_shell() {
        let text = written(&credentials(), false);
        assert_eq!(parse(&text), Some(credentials()));
        let script = format!("{text}printf '%s|%s|%s' \"${TOKEN}\" \"${ACCESS_KEY}\" \"${AWS_SECRET_KEY}\"");
        let shell = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&shell.stdout), "tok'en $x `y` \\|AKIA|se=cr+et/");
    }

    #[test]
    fn lines_without_quotes_are_read_too() {
        let text = format!("{TOKEN}=a\n  {ACCESS_KEY}=b\n{SECRET_KEY}=c\n");
        let read = parse(&text).expect("all three");
        assert_eq!((read.token.expose(), read.access_key.as_str(), read.secret_key.expose()), ("a", "b", "c"));
        assert_eq!(parse(&format!("{TOKEN}=a\n")), None);
    }
}

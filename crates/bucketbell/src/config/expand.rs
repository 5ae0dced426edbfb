//! `${…}` in the text values of the configuration file.
//!
//! Applied to values after the YAML is parsed, so what a variable holds can never change the file's structure.

use std::{collections::BTreeSet, fmt, fs::File, io::Read, str::FromStr};

use anyhow::Context;

/// Larger files are not secrets.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Where variables are looked up. Tests hand in their own.
pub struct Environment<'a>(pub &'a dyn Fn(&str) -> Option<String>);

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Environment")
    }
}

/// What `${…}` stands for cannot be found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// B8: an unset variable refuses the start, by name.
    #[error("the environment variable `{}` is not set: set it, or write ${{{}:-}} for an empty text", join(.0), .0.first().map_or("", String::as_str))]
    Unset(BTreeSet<String>),
    #[error("`${{` without its `}}`: write `$${{` for the characters themselves")]
    Unclosed,
    #[error("`{0}` is not the name of an environment variable")]
    BadName(String),
    #[error("cannot read `{path}`, which a value refers to: {reason}")]
    File { path: String, reason: String },
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join("`, `")
}

impl Environment<'_> {
    /// Returns a variable that is set to something.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// Puts the variable `name` in the place of `value` when it is set.
    ///
    /// # Errors
    ///
    /// The variable's text is refused.
    pub fn overlay<T: FromStr>(&self, name: &str, value: &mut T) -> anyhow::Result<()>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        if let Some(text) = self.get(name) {
            *value = text.parse().with_context(|| format!("the environment variable {name} is refused"))?;
        }
        Ok(())
    }

    /// Returns `text` with `${VAR}`, `${VAR:-default}` and `${file:PATH}` replaced. `$${` stands for `${` itself, any other
    /// `$` for itself. What is put in is not looked at again.
    ///
    /// # Errors
    ///
    /// [`ExpandError`], naming every variable that is not set.
    pub fn expand(&self, text: &str) -> Result<String, ExpandError> {
        let (mut out, mut unset, mut rest) = (String::new(), BTreeSet::new(), text);
        while let Some(at) = rest.find("${") {
            let (before, after) = rest.split_at(at);
            if let Some(kept) = before.strip_suffix('$') {
                out.push_str(kept);
                out.push_str("${");
                rest = &after[2..];
                continue;
            }
            out.push_str(before);
            let end = after.find('}').ok_or(ExpandError::Unclosed)?;
            match self.reference(&after[2..end])? {
                Ok(value) => out.push_str(&value),
                Err(name) => {
                    unset.insert(name.to_owned());
                }
            }
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        if unset.is_empty() { Ok(out) } else { Err(ExpandError::Unset(unset)) }
    }

    /// Expands a value in its place.
    pub fn expand_in(&self, value: &mut String) -> Result<(), ExpandError> {
        if value.contains("${") {
            *value = self.expand(value)?;
        }
        Ok(())
    }

    /// Returns what one reference stands for, or the name of the variable that is not set.
    fn reference<'t>(&self, inner: &'t str) -> Result<Result<String, &'t str>, ExpandError> {
        if let Some(path) = inner.strip_prefix("file:") {
            return file(path).map(Ok);
        }
        let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
        let mut letters = name.chars();
        let valid = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !valid {
            return Err(ExpandError::BadName(name.chars().take(64).collect()));
        }
        // As in a shell: `${VAR}` of an empty variable is empty, `${VAR:-default}` is the default.
        Ok(match default {
            Some(default) => Ok(self.get(name).unwrap_or_else(|| default.to_owned())),
            None => (self.0)(name).ok_or(name),
        })
    }
}

/// Returns the text of a file without its last line end, as secrets are mounted.
fn file(path: &str) -> Result<String, ExpandError> {
    let failed = |reason: String| ExpandError::File { path: path.to_owned(), reason };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    let trimmed = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn expand(text: &str) -> Result<String, ExpandError> {
        let variables = |name: &str| match name {
            "HOST" => Some("example.com".to_owned()),
            "TRICK" => Some("${HOST}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        Environment(&variables).expand(text)
    }

    #[test]
    fn variables_defaults_and_escapes_are_put_in() {
        for (text, wanted) in [
            ("https://${HOST}/a", "https://example.com/a"),
            ("${HOST}${HOST}", "example.comexample.com"),
            ("${NONE:-fallback}", "fallback"),
            ("${EMPTY:-fallback}", "fallback"),
            ("${NONE:-}", ""),
            ("[${EMPTY}]", "[]"),
            ("$${HOST} $HOST $", "${HOST} $HOST $"),
            ("${TRICK}", "${HOST}"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn every_unset_variable_is_named() {
        let error = expand("${B_SECRET} ${HOST} ${A_SECRET}").expect_err("two are not set");
        assert_eq!(error, ExpandError::Unset(["A_SECRET".to_owned(), "B_SECRET".to_owned()].into()), "B8");
        assert!(error.to_string().contains("`A_SECRET`, `B_SECRET`"), "{error}");
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        assert_eq!(expand("a ${HOST"), Err(ExpandError::Unclosed));
        for text in ["${}", "${1A}", "${A B}", "${A-b}"] {
            assert!(matches!(expand(text), Err(ExpandError::BadName(_))), "{text}");
        }
    }

    #[test]
    fn a_file_is_put_in_without_its_last_line_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "s3cret").unwrap();
        assert_eq!(expand(&format!("${{file:{}}}", file.path().display())).as_deref(), Ok("s3cret"));
        assert!(matches!(expand("${file:/nowhere/at/all}"), Err(ExpandError::File { .. })));
    }

    proptest! {
        #[test]
        fn a_text_without_references_is_itself(text in "[^$]{0,64}") {
            prop_assert_eq!(expand(&text), Ok(text));
        }

        #[test]
        fn no_text_panics(text in "[${}:a-]{0,24}") {
            let _ = expand(&text);
        }
    }
}

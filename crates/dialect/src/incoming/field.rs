//! Reading one field of a body, with an error that names it.

use serde_json::{Map, Value};

/// Bytes of a key (S3).
pub(super) const KEY_BYTES_MAX: usize = 1024;
/// Bytes of any other text that is kept.
pub(super) const TEXT_BYTES_MAX: usize = 1024;

/// The body is not what its dialect says. Names the place, never shows a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("`{path}` {problem}")]
    Field { path: String, problem: String },
    #[error("the body holds {count} events, more than the {max} allowed")]
    TooMany { count: usize, max: usize },
}

/// One object of the body, and where it stands.
#[derive(Clone)]
pub(super) struct Place<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Place<'a> {
    /// Takes `value` as the object at `path`; an empty path is the body itself.
    pub(super) fn new(value: &'a Value, path: String) -> Result<Self, DecodeError> {
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ => Err(refuse(if path.is_empty() { "body".to_owned() } else { path }, "is not an object")),
        }
    }

    /// Returns the object that is the field `name`.
    pub(super) fn object(&self, name: &str) -> Result<Self, DecodeError> {
        match self.get(name) {
            Some(value) => Self::new(value, self.at(name)),
            None => Err(refuse(self.at(name), "is missing")),
        }
    }

    /// Returns the object that is the field `name`, if there is one.
    pub(super) fn maybe_object(&self, name: &str) -> Result<Option<Self>, DecodeError> {
        self.get(name).map(|value| Self::new(value, self.at(name))).transpose()
    }

    /// Returns a text that must be there and not be empty.
    pub(super) fn text(&self, name: &str) -> Result<&'a str, DecodeError> {
        self.maybe_text(name)?.ok_or_else(|| refuse(self.at(name), "is missing or empty"))
    }

    /// Returns a text, `None` when it is absent, null or empty.
    pub(super) fn maybe_text(&self, name: &str) -> Result<Option<&'a str>, DecodeError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() > TEXT_BYTES_MAX * 3 => {
                Err(self.too_long(name, TEXT_BYTES_MAX * 3))
            }
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(refuse(self.at(name), "is not a string")),
        }
    }

    /// Returns a text to keep, `None` when it is absent, null or empty.
    pub(super) fn kept(&self, name: &str) -> Result<Option<String>, DecodeError> {
        match self.maybe_text(name)? {
            Some(text) if text.len() > TEXT_BYTES_MAX => Err(self.too_long(name, TEXT_BYTES_MAX)),
            text => Ok(text.map(str::to_owned)),
        }
    }

    /// Returns a length in bytes: a number, or a string of digits as some systems write it.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, DecodeError> {
        let size = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) if text.bytes().all(|digit| digit.is_ascii_digit()) => text.parse().ok(),
            Some(value) => value.as_u64(),
        };
        size.map(Some).ok_or_else(|| refuse(self.at(name), "is not a length in bytes"))
    }

    /// Returns `key`, checked for its length.
    pub(super) fn key(&self, name: &str, key: String) -> Result<String, DecodeError> {
        if key.len() > KEY_BYTES_MAX { Err(self.too_long(name, KEY_BYTES_MAX)) } else { Ok(key) }
    }

    pub(super) fn refuse(&self, name: &str, problem: &str) -> DecodeError {
        refuse(self.at(name), problem)
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn too_long(&self, name: &str, max: usize) -> DecodeError {
        refuse(self.at(name), &format!("is longer than {max} bytes"))
    }
}

/// Refuses a list of more events than are handled at once.
pub(super) fn bounded(list: Vec<Value>) -> Result<Vec<Value>, DecodeError> {
    match list.len() {
        count if count > super::RECORDS_MAX => Err(DecodeError::TooMany { count, max: super::RECORDS_MAX }),
        _ => Ok(list),
    }
}

fn refuse(path: String, problem: &str) -> DecodeError {
    DecodeError::Field { path, problem: problem.to_owned() }
}

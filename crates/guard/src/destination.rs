//! A url, taken apart once instead of for every request.

use std::fmt;

use http::{HeaderValue, Uri};
use url::Url;

/// Where requests go.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    uri: Uri,
    host: HeaderValue,
}

/// The url cannot be posted to. The text holds neither path nor credentials of it (Y6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    #[error("the scheme is neither http nor https")]
    Scheme,
    #[error("the url has no host")]
    NoHost,
    #[error("the url holds a user name or password")]
    Credentials,
    #[error("the url has characters that HTTP cannot carry")]
    Unwritable,
}

impl Destination {
    /// Returns host and port as the `Host` header names them: what logs and labels may show (Y6).
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.to_str().unwrap_or_default()
    }

    pub(crate) const fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) const fn host_header(&self) -> &HeaderValue {
        &self.host
    }
}

impl TryFrom<&Url> for Destination {
    type Error = DestinationError;

    fn try_from(url: &Url) -> Result<Self, DestinationError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(DestinationError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(DestinationError::Credentials);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(DestinationError::NoHost)?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut path = url.path().to_owned();
        if let Some(query) = url.query() {
            path.push('?');
            path.push_str(query);
        }
        let host = HeaderValue::from_str(&authority).map_err(|_| DestinationError::Unwritable)?;
        let uri = Uri::builder().scheme(url.scheme()).authority(authority).path_and_query(path).build();
        Ok(Self { uri: uri.map_err(|_| DestinationError::Unwritable)?, host })
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Destination({})", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(url: &str) -> Result<Destination, DestinationError> {
        Destination::try_from(&Url::parse(url).expect(url))
    }

    #[test]
    fn a_url_becomes_what_is_requested() {
        for (url, uri, host) in [
            ("http://Hooks.Example.com/a?b=c#d", "http://hooks.example.com/a?b=c", "hooks.example.com"),
            ("https://example.com:8443", "https://example.com:8443/", "example.com:8443"),
            ("http://0x7f.1/", "http://127.0.0.1/", "127.0.0.1"),
            ("http://[::1]:80/ü", "http://[::1]/%C3%BC", "[::1]"),
        ] {
            let destination = destination(url).unwrap();
            assert_eq!((destination.uri.to_string().as_str(), destination.host()), (uri, host));
        }
    }

    #[test]
    fn what_cannot_be_posted_to_is_refused() {
        assert_eq!(destination("ftp://example.com/"), Err(DestinationError::Scheme));
        assert_eq!(destination("http://alice@example.com/"), Err(DestinationError::Credentials));
        assert_eq!(destination("http://:p@example.com/"), Err(DestinationError::Credentials));
    }

    #[test]
    fn debug_output_holds_no_path_and_no_query() {
        assert_eq!(format!("{:?}", destination("http://a.example/token?secret=1").unwrap()), "Destination(a.example)");
    }
}

//! Checksums that a client declares, and the one that we make when it does not.
//!
//! `s3s` hands over headers and trailers and verifies none of them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bucketbell_ledger::StoredChecksum;
use http::{HeaderMap, StatusCode};
use s3s::{S3Result, TrailingHeaders, checksum::ChecksumHasher, dto, s3_error};

use crate::failure;

const HEADER_PREFIX: &str = "x-amz-checksum-";
/// Headers with the prefix that are no checksums.
const NOT_A_VALUE: &[&str] = &["algorithm", "mode", "type"];
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";
const TRAILER: &str = "x-amz-trailer";

/// A checksum that is verified and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// What the client said it would show.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    algorithm: Algorithm,
    /// The digest, or `None` when it comes in the trailer.
    value: Option<Vec<u8>>,
}

impl Algorithm {
    const ALL: &[Self] = &[Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Returns the name in the ledger and in `x-amz-sdk-checksum-algorithm`.
    const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    const fn digest_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn from_header(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.header() == name)
    }

    /// Returns a hasher of this algorithm only.
    fn hasher(self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        match self {
            Self::Crc32 => hasher.crc32 = Some(Default::default()),
            Self::Crc32c => hasher.crc32c = Some(Default::default()),
            Self::Crc64Nvme => hasher.crc64nvme = Some(Default::default()),
            Self::Sha1 => hasher.sha1 = Some(Default::default()),
            Self::Sha256 => hasher.sha256 = Some(Default::default()),
        }
        hasher
    }

    fn of(self, sums: dto::Checksum) -> Option<String> {
        match self {
            Self::Crc32 => sums.checksum_crc32,
            Self::Crc32c => sums.checksum_crc32c,
            Self::Crc64Nvme => sums.checksum_crc64nvme,
            Self::Sha1 => sums.checksum_sha1,
            Self::Sha256 => sums.checksum_sha256,
        }
    }

    /// Reads a digest as a header or a trailer writes it.
    fn digest(self, text: &[u8]) -> S3Result<Vec<u8>> {
        match STANDARD.decode(text.trim_ascii()) {
            Ok(digest) if digest.len() == self.digest_bytes() => Ok(digest),
            _ => Err(s3_error!(InvalidRequest, "The value of {} is not a digest in base64.", self.header())),
        }
    }
}

impl Declared {
    /// Reads what the request declares, in a header or for the trailer.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` for more than one, for one that is malformed, and for an announcement without a checksum;
    /// `NotImplemented` for an algorithm that is not verified here: ignoring it would be a false promise (Y5).
    pub(crate) fn of(headers: &HeaderMap) -> S3Result<Option<Self>> {
        let mut declared = Vec::new();
        for (name, value) in headers {
            let Some(rest) = name.as_str().strip_prefix(HEADER_PREFIX) else { continue };
            if NOT_A_VALUE.contains(&rest) {
                continue;
            }
            let algorithm = Algorithm::from_header(name.as_str()).ok_or_else(|| unsupported(name.as_str()))?;
            declared.push(Self { algorithm, value: Some(algorithm.digest(value.as_bytes())?) });
        }
        for name in headers.get_all(TRAILER).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b',')) {
            let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
            let algorithm = Algorithm::from_header(&name).ok_or_else(|| unsupported(&name))?;
            declared.push(Self { algorithm, value: None });
        }
        if declared.len() > 1 {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksums are not allowed."
            ));
        }
        let declared = declared.pop();
        if let Some(announced) = headers.get(SDK_ALGORITHM) {
            let matches = declared.as_ref().is_some_and(|declared| {
                announced.as_bytes().eq_ignore_ascii_case(declared.algorithm.name().as_bytes())
            });
            if !matches {
                return Err(s3_error!(
                    InvalidRequest,
                    "{} announces a checksum that the request does not bring.",
                    SDK_ALGORITHM
                ));
            }
        }
        Ok(declared)
    }
}

/// Returns a hasher for what was declared, or for the checksum that an object without one gets.
pub(crate) fn hasher(declared: Option<&Declared>) -> ChecksumHasher {
    algorithm(declared).hasher()
}

/// Compares what was declared with what was computed, and returns what to keep.
///
/// # Errors
///
/// `BadDigest` when they differ, `MalformedTrailerError` when the declared trailer did not come.
pub(crate) fn verified(
    declared: Option<&Declared>,
    trailers: Option<&TrailingHeaders>,
    computed: ChecksumHasher,
) -> S3Result<Option<StoredChecksum>> {
    let algorithm = algorithm(declared);
    let Some(value) = algorithm.of(computed.finalize()) else { return Ok(None) };
    if let Some(declared) = declared {
        let shown = match &declared.value {
            Some(digest) => digest.clone(),
            None => {
                let trailer =
                    trailers.and_then(|trailers| trailers.read(|all| all.get(algorithm.header()).cloned())).flatten();
                let Some(trailer) = trailer else {
                    let message = "The trailer does not bring the checksum that x-amz-trailer announced.";
                    return Err(failure::custom(StatusCode::BAD_REQUEST, "MalformedTrailerError", message));
                };
                algorithm.digest(trailer.as_bytes())?
            }
        };
        if STANDARD.encode(shown) != value {
            return Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                algorithm.name()
            ));
        }
    }
    Ok(Some(StoredChecksum { algorithm: algorithm.name().to_owned(), value }))
}

/// Returns a kept checksum as the fields of an answer.
pub(crate) fn fields(stored: Option<&StoredChecksum>) -> dto::Checksum {
    let mut sums = dto::Checksum::default();
    let Some(stored) = stored else { return sums };
    let value = Some(stored.value.clone());
    match Algorithm::ALL.iter().find(|algorithm| algorithm.name() == stored.algorithm) {
        Some(Algorithm::Crc32) => sums.checksum_crc32 = value,
        Some(Algorithm::Crc32c) => sums.checksum_crc32c = value,
        Some(Algorithm::Crc64Nvme) => sums.checksum_crc64nvme = value,
        Some(Algorithm::Sha1) => sums.checksum_sha1 = value,
        Some(Algorithm::Sha256) => sums.checksum_sha256 = value,
        None => return sums,
    }
    sums.checksum_type = Some(dto::ChecksumType::from_static(dto::ChecksumType::FULL_OBJECT));
    sums
}

fn algorithm(declared: Option<&Declared>) -> Algorithm {
    declared.map_or(Algorithm::Crc64Nvme, |declared| declared.algorithm)
}

fn unsupported(name: &str) -> s3s::S3Error {
    let name: String = name.chars().take(64).collect();
    s3_error!(NotImplemented, "{name} is not supported. Use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn code(pairs: &[(&'static str, &'static str)]) -> String {
        Declared::of(&headers(pairs)).expect_err("refused").code().as_str().to_owned()
    }

    fn sum(declared: Option<&Declared>, body: &[u8]) -> S3Result<Option<StoredChecksum>> {
        let mut hasher = hasher(declared);
        hasher.update(body);
        verified(declared, None, hasher)
    }

    /// Values of `hello` from Python's zlib and hashlib, and from the AWS CRT.
    #[test]
    fn every_algorithm_is_verified_and_kept() {
        for (algorithm, header, value) in [
            ("CRC32", "x-amz-checksum-crc32", "NhCmhg=="),
            ("CRC32C", "x-amz-checksum-crc32c", "mnG7TA=="),
            ("SHA1", "x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
            ("SHA256", "x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
        ] {
            let declared = Declared::of(&headers(&[(header, value), (SDK_ALGORITHM, algorithm)])).unwrap().unwrap();
            let kept = sum(Some(&declared), b"hello").unwrap().unwrap();
            assert_eq!((kept.algorithm.as_str(), kept.value.as_str()), (algorithm, value));
            assert_eq!(sum(Some(&declared), b"hellO").unwrap_err().code().as_str(), "BadDigest", "{algorithm}");
        }
    }

    #[test]
    fn an_object_without_a_checksum_gets_one() {
        let kept = sum(None, b"123456789").unwrap().unwrap();
        // The check value of CRC-64/NVME, ae8b14860a799888.
        assert_eq!((kept.algorithm.as_str(), kept.value.as_str()), ("CRC64NVME", "rosUhgp5mIg="));
        assert!(fields(Some(&kept)).checksum_crc64nvme.is_some());
    }

    #[test]
    fn a_declared_trailer_must_come() {
        let declared = Declared::of(&headers(&[(TRAILER, " X-Amz-Checksum-Crc32 ")])).unwrap();
        assert_eq!(sum(declared.as_ref(), b"x").unwrap_err().code().as_str(), "MalformedTrailerError");
    }

    #[test]
    fn nonsense_is_refused_and_the_unknown_is_not_ignored() {
        assert_eq!(code(&[("x-amz-checksum-crc32", "AAAA")]), "InvalidRequest");
        assert_eq!(code(&[("x-amz-checksum-crc32", "not base64")]), "InvalidRequest");
        assert_eq!(
            code(&[("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-checksum-crc32c", "mnG7TA==")]),
            "InvalidRequest"
        );
        assert_eq!(code(&[("x-amz-checksum-crc32", "NhCmhg=="), (TRAILER, "x-amz-checksum-crc32")]), "InvalidRequest");
        assert_eq!(code(&[(SDK_ALGORITHM, "CRC32")]), "InvalidRequest");
        assert_eq!(code(&[("x-amz-checksum-crc32", "NhCmhg=="), (SDK_ALGORITHM, "SHA1")]), "InvalidRequest");
        assert_eq!(code(&[("x-amz-checksum-sha512", "AAAA")]), "NotImplemented");
        assert_eq!(code(&[(TRAILER, "x-amz-meta-late")]), "NotImplemented");
        assert_eq!(Declared::of(&headers(&[("x-amz-checksum-mode", "ENABLED")])).unwrap(), None);
    }
}

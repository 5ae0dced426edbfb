//! Secrets at rest (X14): XChaCha20-Poly1305 under the master key, with table and row as associated data, so that a
//! sealed value opens in its own row and nowhere else.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::StoreError;

/// First byte of a sealed value: `version, key id (4), nonce (24), ciphertext and tag`.
const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;

/// The key that seals every secret of a ledger: 32 bytes.
#[derive(Clone, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

/// The text is not a master key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the master key must be 32 bytes in base64 (44 characters), as `openssl rand -base64 32` makes them")]
pub struct MasterKeyError;

impl MasterKey {
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a key as it stands in `BUCKETBELL_MASTER_KEY` or a key file. White space around it is ignored.
    ///
    /// # Errors
    ///
    /// [`MasterKeyError`] when it is anything but 32 bytes in base64.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let mut bytes = STANDARD.decode(text.trim()).map_err(|_| MasterKeyError)?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map(Self).map_err(|_| MasterKeyError);
        bytes.zeroize();
        key
    }

    /// Returns the key as a key file holds it.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("MasterKey(***)")
    }
}

/// Seals and opens the secrets of one ledger.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    key_id: [u8; KEY_ID_BYTES],
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealer(***)")
    }
}

impl Sealer {
    #[must_use]
    pub fn new(key: &MasterKey) -> Self {
        let digest = Sha256::digest(key.0);
        let mut key_id = [0; KEY_ID_BYTES];
        key_id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        Self { cipher: XChaCha20Poly1305::new(&key.0.into()), key_id }
    }

    /// Returns `plain` sealed for one row of one table.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] when the machine gives no randomness.
    pub fn seal(&self, table: &'static str, row: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| StoreError::Database(format!("no randomness: {error}")))?;
        let payload = Payload { msg: plain, aad: &associated(table, row) };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| StoreError::Database("failed to seal a secret".to_owned()))?;
        let mut value = Vec::with_capacity(1 + KEY_ID_BYTES + NONCE_BYTES + sealed.len());
        value.push(VERSION);
        value.extend_from_slice(&self.key_id);
        value.extend_from_slice(&nonce);
        value.extend_from_slice(&sealed);
        Ok(value)
    }

    /// Returns what was sealed for this row.
    ///
    /// # Errors
    ///
    /// [`StoreError::WrongMasterKey`] when it was sealed with another key, for another row, or was changed since.
    pub fn open(&self, table: &'static str, row: &str, sealed: &[u8]) -> Result<Zeroizing<String>, StoreError> {
        let wrong = || StoreError::WrongMasterKey { table, row: row.to_owned() };
        let rest =
            sealed.strip_prefix(&[VERSION]).and_then(|rest| rest.strip_prefix(&self.key_id)).ok_or_else(wrong)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(wrong)?;
        let payload = Payload { msg: sealed, aad: &associated(table, row) };
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| wrong())?;
        String::from_utf8(plain).map(Zeroizing::new).map_err(|_| wrong())
    }
}

fn associated(table: &str, row: &str) -> Vec<u8> {
    format!("{table}\0{row}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&MasterKey::new([byte; 32]))
    }

    #[test]
    fn a_sealed_secret_opens_in_its_own_row_only() {
        let sealed = sealer(1).seal("rule", "r1", b"hunter2").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(sealer(1).open("rule", "r1", &sealed).unwrap().as_str(), "hunter2");
        assert!(sealer(1).open("rule", "r2", &sealed).is_err());
        assert!(sealer(1).open("credential", "r1", &sealed).is_err());
        assert!(sealer(2).open("rule", "r1", &sealed).is_err());
    }

    #[test]
    fn a_changed_byte_is_noticed_anywhere() {
        let sealed = sealer(1).seal("rule", "r1", b"hunter2").unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(sealer(1).open("rule", "r1", &changed).is_err(), "byte {place}");
            assert!(sealer(1).open("rule", "r1", &sealed[..place]).is_err(), "length {place}");
        }
    }

    #[test]
    fn a_key_is_32_bytes_of_base64() {
        let key = MasterKey::new([7; 32]);
        assert_eq!(MasterKey::from_base64(&format!("{}\n", key.to_base64().as_str())).unwrap().0, key.0);
        for text in ["", "short", &STANDARD.encode([0; 31]), &STANDARD.encode([0; 33])] {
            assert_eq!(MasterKey::from_base64(text).unwrap_err(), MasterKeyError);
        }
    }
}

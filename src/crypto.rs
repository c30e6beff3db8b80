//! Sealing, keyed hashes, digests and random bytes: the only room that knows the crypto library.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, digest, hmac, rand};
use zeroize::Zeroizing;

/// A SHA-256 value.
pub type Digest = [u8; 32];
/// What sealing adds to a plaintext: nonce in front, tag behind.
pub const SEAL_OVERHEAD_BYTES: usize = NONCE_LEN + 16;
/// Key length of everything here, in bytes.
pub const KEY_BYTES: usize = 32;

/// The operation failed: a wrong key, a changed byte or no randomness. No more is said on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the seal is broken or the key is wrong")]
pub struct CryptoError;

/// Thirty-two secret bytes that leave memory when dropped and never print.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<[u8; KEY_BYTES]>);

impl SecretBytes {
    pub fn random() -> Result<SecretBytes, CryptoError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| CryptoError)?;
        Ok(SecretBytes(bytes))
    }

    /// None unless exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<SecretBytes> {
        Some(SecretBytes(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("•")
    }
}

/// AES-256-GCM-SIV: a repeated nonce would reveal equality, not the key.
pub struct SealingKey(RandomizedNonceKey);

impl SealingKey {
    pub fn new(secret: &SecretBytes) -> Result<SealingKey, CryptoError> {
        RandomizedNonceKey::new(&AES_256_GCM_SIV, secret.expose()).map(SealingKey).map_err(|_| CryptoError)
    }

    /// Appends nonce ‖ ciphertext ‖ tag to `out`.
    pub fn seal(&self, associated: &[u8], plain: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        let mut buffer = Vec::with_capacity(plain.len() + SEAL_OVERHEAD_BYTES);
        buffer.extend_from_slice(plain);
        let nonce = self.0.seal_in_place_append_tag(Aad::from(associated), &mut buffer).map_err(|_| CryptoError)?;
        out.extend_from_slice(nonce.as_ref());
        out.extend_from_slice(&buffer);
        Ok(())
    }

    /// Opens what `seal` wrote.
    pub fn open(&self, associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(CryptoError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError)?;
        let mut body = body.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(associated), &mut body).map_err(|_| CryptoError)?.len();
        body.truncate(plain);
        Ok(body)
    }
}

/// HMAC-SHA-256: finds a citizen again without saying who it is.
pub struct HashingKey(hmac::Key);

impl HashingKey {
    pub fn new(secret: &SecretBytes) -> HashingKey {
        HashingKey(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()))
    }

    /// The parts are length-prefixed, so that no two lists of parts hash alike by concatenation.
    pub fn hash(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        to_digest(context.sign().as_ref())
    }
}

/// SHA-256 over the parts as one text.
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    to_digest(context.finish().as_ref())
}

/// SHA-1, where a protocol names things by it (RFC 5019: an issuer in an OCSP question). It proves nothing.
pub fn sha1_name(of: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, of).as_ref().to_vec()
}

/// Whether two secrets are the same, in a time that does not tell how far they agree.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// `N` random bytes.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| CryptoError)?;
    Ok(bytes)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    })
}

fn to_digest(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_only_with_its_key_its_name_and_every_byte() {
        let key = SealingKey::new(&SecretBytes::random().unwrap()).unwrap();
        let mut sealed = Vec::new();
        key.seal(b"case/1", "hej å".as_bytes(), &mut sealed).unwrap();
        assert_eq!(sealed.len(), "hej å".len() + SEAL_OVERHEAD_BYTES);
        assert_eq!(key.open(b"case/1", &sealed).unwrap(), "hej å".as_bytes());
        assert_eq!(key.open(b"case/2", &sealed), Err(CryptoError));
        let other = SealingKey::new(&SecretBytes::random().unwrap()).unwrap();
        assert_eq!(other.open(b"case/1", &sealed), Err(CryptoError));
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(key.open(b"case/1", &bent), Err(CryptoError), "byte {at}");
        }
        assert_eq!(key.open(b"case/1", &sealed[..5]), Err(CryptoError));
    }

    #[test]
    fn digests_are_the_published_ones_and_keyed_hashes_keep_parts_apart() {
        assert_eq!(hex(&sha256(&[b"a", b"bc"])), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let key = HashingKey::new(&SecretBytes::from_slice(&[7; 32]).unwrap());
        assert_ne!(key.hash(&[b"ab", b"c"]), key.hash(&[b"a", b"bc"]));
    }
}

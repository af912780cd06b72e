//! Where issued tokens live: hashed, in sharded maps, so that a validation takes one shard's read lock for one
//! probe and a million live tokens cost what a thousand cost. Also the small things every flow needs beside it:
//! randomness and locks that outlive a panic.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// SHA-256 of a token: the only form in which the server keeps one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&self.0[..8]);
        state.write_u64(u64::from_le_bytes(prefix));
    }
}

/// A digest is uniform already; hashing it again would only cost time.
#[derive(Debug, Default)]
pub(crate) struct Uniform(u64);

impl Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

type Shard<V> = HashMap<Digest, Arc<V>, BuildHasherDefault<Uniform>>;

const SHARDS: usize = 64;

/// A shard this small is not worth purging.
const PURGE_FLOOR: usize = 1024;

/// A sharded map from token digests to what is known of the token.
#[derive(Debug)]
pub(crate) struct Store<V> {
    shards: Box<[RwLock<Entries<V>>]>,
}

#[derive(Debug)]
struct Entries<V> {
    map: Shard<V>,
    purge_at: usize,
}

impl<V> Store<V> {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS)
            .map(|_| RwLock::new(Entries { map: Shard::default(), purge_at: PURGE_FLOOR }))
            .collect();
        Self { shards }
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<V>> {
        let shard = self.shard(digest).read();
        shard.unwrap_or_else(PoisonError::into_inner).map.get(digest).cloned()
    }

    /// Adds an entry. When a shard has doubled since it was last purged, entries that `keep` refuses go first, so
    /// that expired tokens bound neither memory nor time.
    pub(crate) fn insert(&self, digest: Digest, value: V, keep: impl Fn(&V) -> bool) -> Arc<V> {
        let value = Arc::new(value);
        let mut shard = self.shard(&digest).write().unwrap_or_else(PoisonError::into_inner);
        if shard.map.len() >= shard.purge_at {
            shard.map.retain(|_, entry| keep(entry));
            shard.purge_at = PURGE_FLOOR.max(shard.map.len() * 2);
        }
        shard.map.insert(digest, Arc::clone(&value));
        value
    }

    pub(crate) fn remove(&self, digest: &Digest) -> Option<Arc<V>> {
        self.shard(digest).write().unwrap_or_else(PoisonError::into_inner).map.remove(digest)
    }

    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).map.clear();
        }
    }

    /// All entries, shard by shard, in no order.
    pub(crate) fn entries(&self) -> Vec<Arc<V>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.map.values().cloned());
        }
        all
    }

    fn shard(&self, digest: &Digest) -> &RwLock<Entries<V>> {
        // The map inside uses the first bytes; the shard uses the last.
        &self.shards[usize::from(digest.0[31]) % SHARDS]
    }
}

/// Locks a mutex; a panic elsewhere does not take its data with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes from the operating system's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system always has randomness once booted");
    bytes
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_token_only_until_it_is_removed() {
        let store = Store::new();
        let digest = Digest::of("a");
        store.insert(digest, 1, |_| true);
        assert_eq!(store.get(&digest).as_deref(), Some(&1));
        assert!(store.get(&Digest::of("b")).is_none());
        assert_eq!(store.remove(&digest).as_deref(), Some(&1));
        assert!(store.get(&digest).is_none());
        assert!(store.remove(&digest).is_none());
    }

    #[test]
    fn expired_entries_are_purged_while_new_ones_arrive() {
        let store = Store::new();
        for number in 0..200_000_u32 {
            store.insert(Digest::of(&number.to_string()), number, |_| false);
        }
        assert!(store.entries().len() <= SHARDS * (PURGE_FLOOR + 1));
    }

    #[test]
    fn hexadecimal_is_lower_case_and_keeps_leading_zeros() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
        assert_ne!(random::<16>(), random::<16>());
    }
}

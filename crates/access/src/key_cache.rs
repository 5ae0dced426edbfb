//! Access keys that were asked for a moment ago: SigV4 asks for one on every request.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bucketbell_ledger::AccessKey;

/// How long a key is believed without asking the ledger. Bounds how late another process' revocation is seen.
pub(crate) const KEY_AGE_MAX: Duration = Duration::from_secs(5);
/// Keys held at once.
pub(crate) const KEYS_MAX: usize = 1024;

/// Known keys only. Unknown ones are not kept: whoever guesses names would otherwise push the known ones out.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    keys: HashMap<String, (AccessKey, Instant)>,
    /// Grows with every [`KeyCache::forget`], so that an answer read before it is not kept after it.
    generation: u64,
}

impl KeyCache {
    pub(crate) fn get(&self, access_key: &str, now: Instant) -> Option<AccessKey> {
        let (key, read) = self.keys.get(access_key)?;
        (now.saturating_duration_since(*read) < KEY_AGE_MAX).then(|| key.clone())
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Keeps what the ledger answered at `read`, unless credentials have changed since the question was asked.
    pub(crate) fn put(&mut self, access_key: &str, key: AccessKey, read: Instant, generation: u64) {
        if generation != self.generation {
            return;
        }
        if self.keys.len() >= KEYS_MAX && !self.keys.contains_key(access_key) {
            self.make_room(read);
        }
        self.keys.insert(access_key.to_owned(), (key, read));
    }

    pub(crate) fn forget(&mut self) {
        self.keys.clear();
        self.generation += 1;
    }

    fn make_room(&mut self, now: Instant) {
        self.keys.retain(|_, (_, read)| now.saturating_duration_since(*read) < KEY_AGE_MAX);
        if self.keys.len() >= KEYS_MAX
            && let Some(oldest) = self.keys.iter().min_by_key(|(_, (_, read))| *read).map(|(name, _)| name.clone())
        {
            self.keys.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use bucketbell_ledger::{Account, AccountId, Role};
    use bucketbell_rule::Secret;

    use super::*;

    fn key(name: &str) -> AccessKey {
        let account = Account { id: AccountId(1), name: name.to_owned(), role: Role::Admin };
        AccessKey { account, secret_key: Secret::new("secret") }
    }

    #[test]
    fn a_key_is_believed_for_a_short_time_only() {
        let (mut cache, now) = (KeyCache::default(), Instant::now());
        cache.put("A", key("a"), now, 0);
        assert!(cache.get("A", now + KEY_AGE_MAX / 2).is_some());
        assert!(cache.get("A", now + KEY_AGE_MAX).is_none());
        assert!(cache.get("B", now).is_none());
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_kept_after_it() {
        let (mut cache, now) = (KeyCache::default(), Instant::now());
        cache.put("A", key("a"), now, 0);
        cache.forget();
        assert!(cache.get("A", now).is_none());
        cache.put("A", key("a"), now, 0);
        assert!(cache.get("A", now).is_none(), "the question was asked under generation 0");
        cache.put("A", key("a"), now, cache.generation());
        assert!(cache.get("A", now).is_some());
    }

    #[test]
    fn it_never_holds_more_than_its_limit_and_drops_the_oldest() {
        let (mut cache, now) = (KeyCache::default(), Instant::now());
        for index in 0..=KEYS_MAX {
            cache.put(&index.to_string(), key("a"), now + Duration::from_micros(index as u64), 0);
        }
        assert_eq!(cache.keys.len(), KEYS_MAX);
        assert!(cache.get("0", now).is_none() && cache.get("1", now).is_some());
    }
}

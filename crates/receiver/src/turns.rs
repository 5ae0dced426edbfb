//! One at a time: an event and its repeats, and the events of one key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
    time::timeout,
};

/// What only one task at a time may do something about. As many entries as there are tasks at work.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<AsyncMutex<()>>>>);

/// The right to go on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    name: String,
    lock: Arc<AsyncMutex<()>>,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until nobody else has the turn of `name`; `None` when that takes longer than `wait`.
    pub(crate) async fn take(self: &Arc<Self>, name: String, wait: Duration) -> Option<Turn> {
        let lock = Arc::clone(self.names().entry(name.clone()).or_default());
        // Made before waiting, so that who gives up is cleaned up after too.
        let mut turn = Turn { turns: Arc::clone(self), name, lock, held: None };
        turn.held = Some(timeout(wait, Arc::clone(&turn.lock).lock_owned()).await.ok()?);
        Some(turn)
    }

    fn names(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<AsyncMutex<()>>>> {
        // Nothing below can panic while it is held, and a map of locks has no half-written state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        let mut names = self.turns.names();
        // The map's and ours: nobody waits, and nobody can begin to while the map is held.
        if Arc::strong_count(&self.lock) == 2 {
            names.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_is_for_one_and_leaves_nothing_behind() {
        let turns = Arc::new(Turns::default());
        let first = turns.take("a".into(), Duration::ZERO).await.expect("it is free");
        assert!(turns.take("b".into(), Duration::ZERO).await.is_some(), "another name is another turn");
        assert!(turns.take("a".into(), Duration::from_millis(1)).await.is_none());
        let next = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take("a".into(), Duration::from_secs(20)).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(next.await.unwrap());
        assert!(turns.names().is_empty());
    }
}

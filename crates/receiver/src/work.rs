//! The requests whose events are being handled, sender present or not: how many there may be, and how they end.

use std::{future::Future, num::NonZeroU16, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::timeout,
};

/// How long what is cut off has to notice. It is at a point where it waits, or it is blocking its thread.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);

/// Work that goes on when nobody waits for it any more, in bounded number.
#[derive(Debug)]
pub(crate) struct Work {
    slots: Arc<Semaphore>,
    slots_max: NonZeroU16,
    cut: watch::Sender<bool>,
}

impl Work {
    pub(crate) fn new(slots_max: NonZeroU16) -> Self {
        let slots = Arc::new(Semaphore::new(usize::from(slots_max.get())));
        Self { slots, slots_max, cut: watch::Sender::new(false) }
    }

    /// Begins `task`, which goes on also when the handle is dropped. The handle gives `None` for what was cut off.
    ///
    /// Returns `None` when there is no room, or no more work is taken.
    pub(crate) fn begin<F>(&self, task: F) -> Option<JoinHandle<Option<F::Output>>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        let mut cut = self.cut.subscribe();
        Some(tokio::spawn(async move {
            let output = tokio::select! {
                biased;
                // An error would say that `Work` is gone, and with it who could cut anything off.
                Ok(_) = cut.wait_for(|cut| *cut) => None,
                output = task => Some(output),
            };
            // Only now: what the task held is dropped before its slot is free.
            drop(slot);
            output
        }))
    }

    /// Takes nothing new, waits for what was begun for at most `limit`, and cuts off the rest. Returns how much that was.
    pub(crate) async fn finish(&self, limit: Duration) -> usize {
        let mut all = std::pin::pin!(self.slots.acquire_many(u32::from(self.slots_max.get())));
        if let Ok(slots) = timeout(limit, &mut all).await {
            // Closed while all are held: nothing begins in between.
            self.slots.close();
            drop(slots);
            return 0;
        }
        let unfinished = self.cut.receiver_count();
        self.cut.send_replace(true);
        let _ = timeout(CUT_TIMEOUT, all).await;
        self.slots.close();
        unfinished
    }
}

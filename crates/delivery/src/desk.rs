//! What the courier of an endpoint and its runners share: the queue before them, and the outcomes behind them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bucketbell_event::EventId;
use bucketbell_ledger::{DueDelivery, Settlement};
use tokio::{sync::Notify, time::Instant};

use crate::route::Route;

/// What becomes of a delivery, and what its record says of it.
pub(crate) struct Outcome {
    pub settlement: Settlement,
    pub event: EventId,
    /// Made in all, with the last.
    pub attempts: u32,
}

impl Outcome {
    pub const fn is_failure(&self) -> bool {
        matches!(self.settlement, Settlement::Retry { .. } | Settlement::Dead { .. })
    }
}

/// Held for a few instructions at a time, never across an await.
pub(crate) struct Desk {
    state: Mutex<State>,
    /// Rung when the first outcome lies there, so that a courier that is settling is not woken by each.
    bell: Notify,
}

struct State {
    /// Taken, waiting for a slot, each since when.
    queue: VecDeque<(DueDelivery, Instant)>,
    outcomes: Vec<Outcome>,
    /// Runners that are sending, one delivery each.
    running: usize,
    slots: usize,
    route: Arc<Route>,
    /// The courier waits for the last runner.
    last_call: bool,
}

impl Desk {
    pub fn new(route: Arc<Route>) -> Self {
        let state = State {
            queue: VecDeque::new(),
            outcomes: Vec::new(),
            running: 0,
            slots: route.slots(),
            route,
            last_call: false,
        };
        Self { state: Mutex::new(state), bell: Notify::new() }
    }

    /// From now on deliveries go by this route (C12).
    pub fn reroute(&self, route: Arc<Route>) {
        let mut state = self.state();
        state.slots = route.slots();
        state.route = route;
    }

    pub fn enqueue(&self, due: Vec<DueDelivery>) {
        let now = Instant::now();
        self.state().queue.extend(due.into_iter().map(|delivery| (delivery, now)));
    }

    /// Gives up a slot for each delivery that could be sent at once, and returns how many runners are to be started.
    pub fn muster(&self) -> usize {
        let mut state = self.state();
        let free = state.slots.saturating_sub(state.running).min(state.queue.len());
        state.running += free;
        free
    }

    /// Returns what a runner sends next; `None` when there is nothing, or no slot for it any more: then its slot is free.
    pub fn next(&self) -> Option<(DueDelivery, Instant, Arc<Route>)> {
        let mut state = self.state();
        let next = if state.running > state.slots { None } else { state.queue.pop_front() };
        if next.is_none() {
            self.leave(&mut state);
        }
        next.map(|(delivery, since)| (delivery, since, Arc::clone(&state.route)))
    }

    /// From now on the bell rings when the last runner has ended, too.
    pub fn last_call(&self) {
        self.state().last_call = true;
    }

    /// Lays an outcome down for the courier.
    pub fn lay_down(&self, outcome: Outcome) {
        let mut state = self.state();
        state.outcomes.push(outcome);
        let first = state.outcomes.len() == 1;
        drop(state);
        if first {
            self.bell.notify_one();
        }
    }

    /// Takes back the slot of a runner that ended badly.
    pub fn free_slot(&self) {
        self.leave(&mut self.state());
    }

    fn leave(&self, state: &mut State) {
        state.running -= 1;
        if state.last_call && state.running == 0 {
            self.bell.notify_one();
        }
    }

    /// Returns the deliveries that wait to the ledger, as untouched.
    pub fn clear(&self) {
        let mut state = self.state();
        let State { queue, outcomes, .. } = &mut *state;
        outcomes.extend(queue.drain(..).map(|(delivery, _)| Outcome {
            settlement: Settlement::Returned { number: delivery.number },
            event: delivery.event.id,
            attempts: delivery.attempts,
        }));
    }

    /// Puts outcomes that could not be settled back before the others.
    pub fn put_back(&self, mut unsettled: Vec<Outcome>) {
        let mut state = self.state();
        unsettled.append(&mut state.outcomes);
        state.outcomes = unsettled;
    }

    /// Takes the outcomes, and returns with them how many more deliveries there is room for beyond what waits and runs.
    pub fn collect(&self, ahead: usize) -> (Vec<Outcome>, usize) {
        let mut state = self.state();
        let room = state.slots + ahead;
        let free = room.saturating_sub(state.queue.len() + state.running);
        (std::mem::take(&mut state.outcomes), free)
    }

    pub fn has_outcomes(&self) -> bool {
        !self.state().outcomes.is_empty()
    }

    /// Returns how many deliveries are being sent, or were and are not settled.
    pub fn unsettled(&self) -> usize {
        let state = self.state();
        state.running + state.outcomes.len()
    }

    /// Waits until an outcome lies there.
    pub async fn outcome(&self) {
        self.bell.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

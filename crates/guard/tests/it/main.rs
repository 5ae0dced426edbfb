//! The client against real sockets that behave badly, and against addresses it may not reach.

mod blocked;
mod kept;
mod lookups;
mod server;
mod unruly;
mod verified;

//! Both ways of every dialect, through the public API: what is sent, what is believed, what is read.

mod decoding;
mod events;
mod signing;
mod verifying;

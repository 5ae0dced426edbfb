//! Operations on objects.

mod condition;
mod delete;
mod get;
mod headers;
mod put;

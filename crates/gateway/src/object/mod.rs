//! Operations on objects.

mod answer;
mod condition;
mod delete;
mod get;
mod headers;
mod put;

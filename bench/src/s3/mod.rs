//! A small S3 client that puts load on a server: SigV4 and kept connections, nothing else.

mod load;
mod sigv4;

pub use load::{Load, create_bucket, put};

//! The AppendRows connection of the Storage Write API.
//!
//! We write the gRPC messages ourselves, because tonic's codecs copy every message into a buffer of
//! their own. Here the body of a request is the memory that the rows were encoded into, with a few
//! bytes before it. HTTP/2, TLS, responses and status stay tonic's and hyper's.

mod connection;
mod request;

pub use self::connection::Connection;
pub use self::request::Append;

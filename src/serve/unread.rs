//! Answers that a client does not read.

use tokio::net::TcpStream;

/// Milliseconds for which the other side may acknowledge nothing, or take nothing.
const UNREAD: u32 = 30_000;

/// Lets the kernel end the connection of a client that neither reads nor goes away. Otherwise it holds
/// its place, and the answer's memory, for ever.
pub(super) fn give_up_on_unread_answers(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, UNREAD) {
        tracing::debug!(%error, "a connection has no limit for unread answers");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, UNREAD);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::net::sockopt::tcp_user_timeout;

    use super::*;

    #[tokio::test]
    async fn the_kernel_knows_the_limit() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let stream = TcpStream::connect(address).await.expect("connected");
        give_up_on_unread_answers(&stream);
        assert_eq!(tcp_user_timeout(&stream).expect("set"), UNREAD);
    }
}

//! A proxy in front of a server that loses answers, delays requests and cuts connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

use super::ports;

const STEP: Duration = Duration::from_millis(5);

/// Passes connections to a port of this machine on. It ends with the tests' process.
pub struct Cuts {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Answers are thrown away.
    mute: AtomicBool,
    /// Requests wait here.
    hold: AtomicBool,
    /// New connections are closed at once.
    refuse: AtomicBool,
    clients: Mutex<Vec<TcpStream>>,
    servers: Mutex<Vec<TcpStream>>,
}

impl Cuts {
    pub fn start(upstream: u16) -> Self {
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let shared = Arc::<Shared>::default();
        let all = Arc::clone(&shared);
        spawn(move || {
            for client in listener.incoming().flatten() {
                // The server may be away, or the connection closed again.
                let _ = all.pass_on(client, upstream);
            }
        });
        Self { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Breaks all connections at once. Returns how many there were.
    pub fn cut(&self) -> usize {
        let cut = close(&self.shared.clients);
        close(&self.shared.servers);
        cut
    }

    /// Throws all answers away for so long, then breaks the connections: requests that arrived
    /// meanwhile were carried out, and their senders do not know.
    pub fn lose_answers(&self, during: Duration) -> usize {
        self.shared.mute.store(true, Ordering::Relaxed);
        sleep(during);
        let cut = self.cut();
        self.shared.mute.store(false, Ordering::Relaxed);
        cut
    }

    /// Holds requests back for so long, breaks the clients' connections, and delivers the requests
    /// after another pause: they are carried out after their senders have connected anew.
    pub fn deliver_late(&self, during: Duration) -> usize {
        self.shared.hold.store(true, Ordering::Relaxed);
        sleep(during);
        let cut = close(&self.shared.clients);
        // What comes now comes through new connections, and waits too.
        sleep(during);
        self.shared.hold.store(false, Ordering::Relaxed);
        cut
    }

    /// While `true`, holds requests back.
    pub fn hold(&self, hold: bool) {
        self.shared.hold.store(hold, Ordering::Relaxed);
    }

    /// While `true`, closes new connections at once.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refuse.store(refuse, Ordering::Relaxed);
    }
}

impl Shared {
    fn pass_on(self: &Arc<Self>, client: TcpStream, upstream: u16) -> std::io::Result<()> {
        if self.refuse.load(Ordering::Relaxed) {
            return Ok(());
        }
        let server = TcpStream::connect(("127.0.0.1", upstream))?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
        }
        self.clients.lock().expect("no panic").push(client.try_clone()?);
        self.servers.lock().expect("no panic").push(server.try_clone()?);
        let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
        let requests = Arc::clone(self);
        spawn(move || {
            let wait = || {
                while requests.hold.load(Ordering::Relaxed) {
                    sleep(STEP);
                }
                true
            };
            copy(from_client, to_server, wait);
        });
        let answers = Arc::clone(self);
        spawn(move || copy(server, client, || !answers.mute.load(Ordering::Relaxed)));
        Ok(())
    }
}

/// Copies until one side ends. What arrives while `may_pass` is false is thrown away.
fn copy(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn() -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if may_pass() && to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    may_pass();
    let _ = to.shutdown(Shutdown::Write);
}

fn close(streams: &Mutex<Vec<TcpStream>>) -> usize {
    let streams = std::mem::take(&mut *streams.lock().expect("no panic"));
    // Those that have ended already cannot be shut down.
    streams.iter().filter(|stream| stream.shutdown(Shutdown::Both).is_ok()).count()
}

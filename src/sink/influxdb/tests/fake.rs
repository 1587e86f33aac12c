//! A server that takes lines over HTTP and fails on purpose.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::reader::{Point, read};

/// What becomes of one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This answer, with these lines of its head; nothing is written.
    Answer(u16, &'static str, String),
    /// The connection breaks before anything is written.
    Reset,
    /// The points are written, and the connection breaks before the answer.
    AnswerLost,
}

/// What one request was.
#[derive(Debug, Clone)]
pub struct Request {
    pub target: String,
    pub authorization: Option<String>,
    pub points: usize,
}

#[derive(Default)]
struct State {
    /// The next requests with points fail so, one after the other.
    faults: VecDeque<Fault>,
    /// Every request gets this answer.
    always: Option<(u16, String)>,
    /// A request with one of these values in a text field or tag is refused; `status` and message.
    refused: Option<(String, u16, String)>,
    /// Bytes that a body may have.
    largest: Option<usize>,
    /// By measurement, tags and time; how often a point was written.
    points: BTreeMap<(String, String, i64), (Point, usize)>,
    requests: Vec<Request>,
}

/// A running server on a port of this machine.
#[derive(Clone)]
pub struct Fake {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let fake = Self { url, state: Arc::default() };
        let server = fake.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let server = server.clone();
                tokio::spawn(async move { while server.serve(&mut stream).await.is_some() {} });
            }
        });
        fake
    }

    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().faults.extend(faults);
    }

    pub fn always(&self, status: u16, message: &str) {
        self.lock().always = Some((status, message.to_owned()));
    }

    /// Refuses requests whose text contains `value`.
    pub fn refuse(&self, value: &str, status: u16, message: &str) {
        self.lock().refused = Some((value.to_owned(), status, message.to_owned()));
    }

    pub fn largest(&self, bytes: usize) {
        self.lock().largest = Some(bytes);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// The points of a measurement, and how often each was written.
    pub fn points(&self, measurement: &str) -> Vec<(Point, usize)> {
        let state = self.lock();
        let of = state.points.iter().filter(|((name, ..), _)| name == measurement);
        of.map(|(_, point)| point.clone()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Serves one request; `None` where the connection has ended.
    async fn serve(&self, stream: &mut TcpStream) -> Option<()> {
        let (head, body) = receive(stream).await?;
        let answer = self.answer(&head, &body)?;
        stream.write_all(answer.as_bytes()).await.ok()
    }

    /// The answer to a request; `None`: the connection breaks.
    fn answer(&self, head: &str, body: &[u8]) -> Option<String> {
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let mut text = String::new();
        match header("content-encoding") {
            Some("gzip") => {
                flate2::read::GzDecoder::new(body).read_to_string(&mut text).expect("gzip");
            }
            _ => text.push_str(std::str::from_utf8(body).expect("UTF-8")),
        }
        let points = read(&text);
        let mut state = self.lock();
        state.requests.push(Request {
            target: head.split(' ').nth(1).unwrap_or_default().to_owned(),
            authorization: header("authorization").map(str::to_owned),
            points: points.len(),
        });
        if let Some((status, message)) = &state.always {
            return Some(answer(*status, "", message));
        }
        if points.is_empty() {
            return Some(answer(204, "", ""));
        }
        let fault = state.faults.pop_front();
        match &fault {
            Some(Fault::Answer(status, head, message)) => {
                return Some(answer(*status, head, message));
            }
            Some(Fault::Reset) => return None,
            Some(Fault::AnswerLost) | None => {}
        }
        if state.largest.is_some_and(|largest| body.len() > largest) {
            return Some(answer(413, "", "Request Entity Too Large"));
        }
        // A partial write: all but the refused points are there afterwards.
        let refused = state.refused.clone();
        let mut dropped = 0;
        for point in points {
            let shown = format!("{:?} {:?}", point.tags, point.fields);
            if refused.as_ref().is_some_and(|(value, ..)| shown.contains(value)) {
                dropped += 1;
                continue;
            }
            let key = (point.measurement.clone(), format!("{:?}", point.tags), point.time);
            let (held, times) = state.points.entry(key).or_insert((point.clone(), 0));
            *held = point;
            *times += 1;
        }
        match (refused, fault) {
            (Some((_, status, message)), _) if dropped > 0 => {
                Some(answer(status, "", &message.replace("{dropped}", &dropped.to_string())))
            }
            (_, Some(_)) => None,
            (_, None) => Some(answer(204, "", "")),
        }
    }
}

fn answer(status: u16, head: &str, message: &str) -> String {
    let body = if message.is_empty() {
        String::new()
    } else {
        serde_json::json!({ "error": message }).to_string()
    };
    format!("HTTP/1.1 {status} X\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// The head and the body of a request; `None` where the connection has ended.
async fn receive(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut received = Vec::new();
    let end = loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = received.split_off(end + 4);
    let head = String::from_utf8_lossy(&received).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    });
    while body.len() < length.unwrap_or(0) {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

//! A web server that does what servers do, and what they should not: it breaks off, changes its mind, sends clients elsewhere.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the server has under a path, and how it serves it.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub bytes: Vec<u8>,
    pub etag: Option<&'static str>,
    pub last_modified: Option<&'static str>,
    /// Answers a question for a part with the whole.
    pub ignores_ranges: bool,
    /// Answers of `GET` that end after a third of what they promise.
    pub breaks: u32,
    /// What it serves from the next `GET` on.
    pub then: Option<Box<Page>>,
    /// Answers with this status.
    pub status: Option<&'static str>,
    /// Sends clients there.
    pub location: Option<String>,
}

impl Page {
    /// A page that is served well.
    pub fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), etag: Some("\"1\""), ..Self::default() }
    }

    /// A page that is not served.
    pub fn failing(status: &'static str) -> Self {
        Self { status: Some(status), ..Self::default() }
    }
}

/// A request as it came: method and path, then the headers that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub line: String,
    pub range: Option<String>,
    pub if_match: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    pages: HashMap<String, Page>,
    asked: Vec<Asked>,
}

/// Dropped, it is gone.
pub struct WebServer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl WebServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let state = shared.clone();
                // A client that hangs up is its own business.
                tokio::spawn(async move { serve(connection, &state).await.unwrap_or_default() });
            }
        });
        Self { address, state, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn put(&self, path: &str, page: Page) {
        self.state.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one request, and hangs up.
async fn serve(mut connection: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut asked = Asked::default();
    let mut lines = BufReader::new(&mut connection).lines();
    while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
        match line.split_once(": ") {
            _ if asked.line.is_empty() => asked.line = line.trim_end_matches(" HTTP/1.1").to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("range") => asked.range = Some(value.to_owned()),
            Some((name, value)) if name.eq_ignore_ascii_case("if-match") => asked.if_match = Some(value.to_owned()),
            _ => {}
        }
    }
    let answer = answer(&asked, &mut state.lock().unwrap());
    connection.write_all(&answer).await?;
    connection.shutdown().await
}

fn answer(asked: &Asked, state: &mut State) -> Vec<u8> {
    state.asked.push(asked.clone());
    let (method, path) = asked.line.split_once(' ').unwrap_or_default();
    let Some(page) = state.pages.get_mut(path) else { return plain("404 Not Found", "") };
    if method == "GET"
        && let Some(then) = page.then.take_if(|_| page.breaks == 0)
    {
        *page = *then;
    }
    if let Some(location) = &page.location {
        return plain("302 Found", &format!("Location: {location}\r\n"));
    }
    if let Some(status) = page.status {
        return plain(status, "");
    }
    if asked.if_match.as_deref().is_some_and(|wanted| Some(wanted) != page.etag) {
        return plain("412 Precondition Failed", "");
    }
    let size = page.bytes.len();
    let range = asked.range.as_ref().filter(|_| !page.ignores_ranges).map(|range| {
        let (start, end) = range.trim_start_matches("bytes=").split_once('-').unwrap();
        start.parse().unwrap()..size.min(end.parse::<usize>().unwrap() + 1)
    });
    let mut head = match &range {
        Some(range) => {
            format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {}-{}/{size}\r\n", range.start, range.end - 1)
        }
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    let mut body = &page.bytes[range.unwrap_or(0..size)];
    for (name, value) in [("ETag", page.etag), ("Last-Modified", page.last_modified)] {
        head += &value.map(|value| format!("{name}: {value}\r\n")).unwrap_or_default();
    }
    head += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    if method == "HEAD" {
        body = &[];
    } else if page.breaks > 0 {
        page.breaks -= 1;
        body = &body[..body.len() / 3];
    }
    [head.as_bytes(), body].concat()
}

fn plain(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

//! Asks our own server, over plain HTTP, whether it can be used.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns as soon as `GET /readyz` is answered with 200.
pub(crate) async fn until_ready(server: SocketAddr) {
    while !head(server, "/readyz").await.is_ok_and(|head| head.starts_with("http/1.1 200")) {
        sleep(Duration::from_millis(50)).await;
    }
}

/// Whether the pages for a browser were built: without them the server answers in plain text.
pub(crate) async fn has_pages(server: SocketAddr) -> bool {
    head(server, "/graphiql").await.is_ok_and(|head| head.contains("content-type: text/html"))
}

/// The status line and the headers of the answer to `GET path`, in lower case.
async fn head(server: SocketAddr, path: &str) -> io::Result<String> {
    timeout(PATIENCE, async {
        let mut stream = BufReader::new(TcpStream::connect(server).await?);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = String::new();
        let mut limited = (&mut stream).take(16 * 1024);
        while limited.read_line(&mut head).await? > 2 {}
        Ok(head.to_ascii_lowercase())
    })
    .await?
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answer(listener: &TcpListener, answer: &str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 256];
        let length = stream.read(&mut request).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    }

    #[tokio::test]
    async fn a_server_that_is_starting_is_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let answers = async {
            answer(&listener, "HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
            let request = answer(&listener, "HTTP/1.1 200 OK\r\n\r\n").await;
            assert!(request.starts_with("GET /readyz HTTP/1.1\r\n"), "{request}");
        };
        tokio::join!(until_ready(server), answers);
    }

    #[tokio::test]
    async fn pages_are_told_from_the_text_that_says_they_are_missing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        for (kind, expected) in [("text/html", true), ("text/plain; charset=utf-8", false)] {
            let answered = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n<html>");
            let (has_pages, _) = tokio::join!(has_pages(server), answer(&listener, &answered));
            assert_eq!(has_pages, expected);
        }
    }
}

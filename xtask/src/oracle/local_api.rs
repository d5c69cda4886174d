//! One question to tailscaled's `LocalAPI`: HTTP/1.1 over its Unix socket. It only ever asks with GET,
//! which changes nothing in a tunnel.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::OracleError;

/// How long tailscaled may be silent.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer; a status with a thousand peers is a tenth of it.
const LONGEST: u64 = 16 << 20;

/// The body of the answer to `GET /localapi/v0/ENDPOINT`.
pub(super) fn get(socket: &Path, endpoint: &str) -> Result<Vec<u8>, OracleError> {
    let failed = |reason: String| OracleError::LocalApi {
        endpoint: endpoint.to_owned(),
        socket: socket.to_owned(),
        reason,
    };
    let answer = exchange(socket, endpoint).map_err(|cause| failed(cause.to_string()))?;
    body(&answer).map_err(|bad| failed(bad.to_string()))
}

/// Sends the request and takes all that comes until the daemon closes the connection.
fn exchange(socket: &Path, endpoint: &str) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!(
        "GET /localapi/v0/{endpoint} HTTP/1.1\r\n\
         Host: local-tailscaled.sock\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(answer)
}

/// An answer that is not the one that was asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Bad {
    #[error("it answered `{0}`")]
    Status(String),
    #[error("the answer is no HTTP")]
    Form,
    #[error("the answer is cut short")]
    Short,
}

/// The body of a whole answer with status 200 (RFC 9112).
fn body(answer: &[u8]) -> Result<Vec<u8>, Bad> {
    let (head, body) = split(answer, b"\r\n\r\n").ok_or(Bad::Form)?;
    let head = str::from_utf8(head).map_err(|_| Bad::Form)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let (_, status) = status
        .and_then(|line| line.split_once(' '))
        .ok_or(Bad::Form)?;
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |wanted: &str| {
        let mut named = headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.next().map(|(_, value)| value.trim())
    };
    let whole =
        if header("transfer-encoding").is_some_and(|how| how.eq_ignore_ascii_case("chunked")) {
            join(body)?
        } else if let Some(length) = header("content-length") {
            let length: usize = length.parse().map_err(|_| Bad::Form)?;
            body.get(..length).ok_or(Bad::Short)?.to_vec()
        } else {
            body.to_vec()
        };
    if status.starts_with("200") {
        return Ok(whole);
    }
    let said = String::from_utf8_lossy(&whole);
    Err(Bad::Status(format!("{status}: {}", said.trim())))
}

/// The body that was sent in chunks (RFC 9112, section 7.1).
fn join(mut rest: &[u8]) -> Result<Vec<u8>, Bad> {
    let mut whole = Vec::new();
    loop {
        let (size, after) = split(rest, b"\r\n").ok_or(Bad::Short)?;
        let size = str::from_utf8(size).map_err(|_| Bad::Form)?;
        // Behind a semicolon come extensions.
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| Bad::Form)?;
        if size == 0 {
            return Ok(whole);
        }
        let (chunk, after) = after.split_at_checked(size).ok_or(Bad::Short)?;
        whole.extend(chunk);
        rest = after.strip_prefix(b"\r\n").ok_or(Bad::Short)?;
    }
}

/// What is before and behind the first `mark`.
fn split<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let position = text.windows(mark.len()).position(|window| window == mark)?;
    let (before, behind) = text.split_at(position);
    Some((before, &behind[mark.len()..]))
}

#[cfg(test)]
mod tests;

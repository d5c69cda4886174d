//! What tailscaled says of itself, its peers, its relays and its settings, by GET over the Unix socket of
//! its `LocalAPI`. What names people or holds keys is left out.
//!
//! Never: another method than GET, a setting changed, a secret written.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::RecordError;
use super::tables::write;

/// Where packages put the socket.
pub const SOCKET: &str = "/var/run/tailscale/tailscaled.sock";

/// How long tailscaled may be silent.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest answer; a status with a thousand peers is a tenth of it.
const LONGEST: u64 = 16 << 20;
/// (file, endpoint).
const DOCUMENTS: [(&str, &str); 3] = [
    ("tailscale-status.json", "status"),
    ("tailscale-derpmap.json", "derpmap"),
    ("tailscale-prefs.json", "prefs"),
];
/// Keys, and people's names and addresses (tailscale: ipn/ipnstate, ipn/prefs.go).
const SECRETS: [&str; 4] = ["User", "AuthURL", "Config", "NLPrivateKey"];

/// Writes what the daemon says; nothing where there is none at the usual place.
pub(super) fn write_all(folder: &Path, socket: Option<&Path>) -> Result<(), RecordError> {
    let path = socket.unwrap_or(Path::new(SOCKET));
    if socket.is_none() && !path.exists() {
        return Ok(());
    }
    for (name, endpoint) in DOCUMENTS {
        match ask(path, endpoint) {
            Ok(document) => write(folder, name, document.to_string().as_bytes())?,
            Err(error) => {
                let what = format!("ask tailscaled at {} for {endpoint}", path.display());
                super::missing(name, &format!("{what}: {error}"));
            }
        }
    }
    Ok(())
}

/// HTTP/1.0, so that the answer comes in one piece and ends with the connection.
fn ask(socket: &Path, endpoint: &str) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let host = "Host: local-tailscaled.sock";
    let request = format!("GET /localapi/v0/{endpoint} HTTP/1.0\r\n{host}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    let mut document = body(&answer)?;
    if let Some(document) = document.as_object_mut() {
        document.retain(|key, _| !SECRETS.contains(&key.as_str()));
    }
    Ok(document)
}

fn body(answer: &[u8]) -> io::Result<Value> {
    const END: &[u8] = b"\r\n\r\n";
    let wrong = |reason: String| io::Error::new(ErrorKind::InvalidData, reason);
    let end = answer.windows(END.len()).position(|part| part == END);
    let (head, body) = end
        .and_then(|end| answer.split_at_checked(end))
        .ok_or_else(|| wrong("the answer is no HTTP".to_owned()))?;
    let head = String::from_utf8_lossy(head);
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(wrong(format!("it answered {status:?}")));
    }
    let body = body.get(END.len()..).unwrap_or_default();
    serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    #[test]
    fn a_document_is_written_without_people_and_keys() {
        let folder = std::env::temp_dir().join(format!("netpath-local-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let socket = folder.join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let serving = thread::spawn(move || {
            for answer in ["200 OK", "200 OK", "403 Forbidden"] {
                let (mut stream, _) = listener.accept().expect("a question");
                let mut asked = [0; 256];
                let length = stream.read(&mut asked).expect("a question");
                assert!(asked[..length].starts_with(b"GET /localapi/v0/"));
                let body = r#"{"Self":{"HostName":"n1"},"User":{"1":{}},"Config":{"K":"secret"}}"#;
                write!(stream, "HTTP/1.0 {answer}\r\nA: b\r\n\r\n{body}").expect("an answer");
            }
        });
        write_all(&folder, Some(&socket)).expect("written");
        serving.join().expect("served");
        let read = |name: &str| std::fs::read_to_string(folder.join(name));
        let [status, map, prefs] = DOCUMENTS.map(|(name, _)| read(name));
        std::fs::remove_dir_all(&folder).expect("the folder");
        assert_eq!(status.expect("a status"), r#"{"Self":{"HostName":"n1"}}"#);
        assert!(map.is_ok() && prefs.is_err(), "a refusal is no document");
    }
}

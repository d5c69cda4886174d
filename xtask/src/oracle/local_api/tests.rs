//! Answers whole, in chunks, cut short and refused; and the exchange itself against a daemon that
//! only speaks HTTP.

use std::os::unix::net::UnixListener;
use std::thread;

use super::*;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
    Transfer-Encoding: chunked\r\n\r\n4\r\nonce\r\n6;x=y\r\n upon\n\r\n0\r\n\r\n";

#[test]
fn chunks_are_joined() {
    assert_eq!(body(CHUNKED.as_bytes()), Ok(b"once upon\n".to_vec()));
}

#[test]
fn length_or_the_end_bounds_the_body() {
    for head in ["content-LENGTH: 4", "Tailscale-Version: 1.102.3"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nonce");
        assert_eq!(body(answer.as_bytes()), Ok(b"once".to_vec()), "{head}");
    }
}

#[test]
fn every_cut_is_noticed() {
    let head = CHUNKED.find("4\r\n").expect("first chunk");
    for length in 0..CHUNKED.len() - 4 {
        let wanted = if length < head { Bad::Form } else { Bad::Short };
        assert_eq!(body(&CHUNKED.as_bytes()[..length]), Err(wanted), "{length}");
    }
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nonce";
    assert_eq!(body(short), Err(Bad::Short));
}

#[test]
fn refusal_is_told_in_the_words_of_the_daemon() {
    let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 16\r\n\r\ninvalid request\n";
    let wanted = Bad::Status("403 Forbidden: invalid request".into());
    assert_eq!(body(answer), Err(wanted));
    assert_eq!(body(b"SSH-2.0-x\r\n\r\n"), Err(Bad::Form));
}

#[test]
fn daemon_is_asked_as_it_demands_and_its_absence_is_an_error() {
    let path = std::env::temp_dir().join(format!("local-api-{}.sock", std::process::id()));
    let missing = get(&path, "status")
        .expect_err("nobody listens")
        .to_string();
    assert!(
        missing.contains("local-api-") && missing.contains("status"),
        "{missing}"
    );
    let listener = UnixListener::bind(&path).expect("bind");
    let daemon = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accept");
        let mut request = [0; 1024];
        let length = stream.read(&mut request).expect("read");
        stream.write_all(CHUNKED.as_bytes()).expect("answer");
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let answer = get(&path, "usermetrics").expect("answer");
    std::fs::remove_file(&path).expect("remove");
    assert_eq!(answer, b"once upon\n");
    let request = daemon.join().expect("daemon");
    assert!(
        request.starts_with("GET /localapi/v0/usermetrics HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("\r\nHost: local-tailscaled.sock\r\n"),
        "{request}"
    );
    assert!(
        request.ends_with("\r\nConnection: close\r\n\r\n"),
        "{request}"
    );
}

//! The TCP proxy that delays, as the program that a lab starts, between sockets on loopback.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use xtask::lab::tcp_delay::Config;

/// What a busy machine of two processors may add.
const SLACK: Duration = Duration::from_millis(15);
/// How long anything may take before the proxy counts as stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy, the listener behind it and a folder; gone when dropped.
struct Proxy {
    child: Child,
    config: Config,
    folder: PathBuf,
}

impl Proxy {
    /// Starts the program between an address of its own and `target`.
    fn start(purpose: &str, target: SocketAddr, delay: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tcp-delay-{}-{purpose}", process::id()));
        fs::create_dir_all(&folder).expect("folder");
        let [_, a, b, c] = process::id().to_be_bytes();
        let listen = SocketAddrV4::new(Ipv4Addr::new(127, a, b, c.max(2)), port_of(purpose));
        let config = Config {
            listen: listen.into(),
            target,
            delay_file: folder.join("delay.ms"),
        };
        let path = folder.join("config.json");
        fs::write(&path, serde_json::to_string(&config).expect("JSON")).expect("write");
        let child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["tcp-delay", "--config"])
            .arg(&path)
            .stdin(Stdio::null())
            .spawn()
            .expect("start");
        let proxy = Self {
            child,
            config,
            folder,
        };
        proxy.set_delay(delay);
        proxy
    }

    fn set_delay(&self, milliseconds: &str) {
        let fresh = self.folder.join("new");
        fs::write(&fresh, milliseconds).expect("write");
        fs::rename(&fresh, &self.config.delay_file).expect("rename");
        // A reader may have looked just before.
        thread::sleep(Duration::from_millis(11));
    }

    /// A connection through it; it may not listen yet.
    fn connect(&self) -> TcpStream {
        let begun = Instant::now();
        loop {
            match TcpStream::connect(self.config.listen) {
                Ok(stream) => return prepare(stream),
                Err(cause) => assert!(begun.elapsed() < PATIENCE, "{cause}"),
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Pages of memory in use, in bytes.
    fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        1024 * kibibytes
            .and_then(|text| text.parse::<u64>().ok())
            .expect("a number")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .expect("end");
        fs::remove_dir_all(&self.folder).expect("remove");
    }
}

/// A port of its own per test.
fn port_of(purpose: &str) -> u16 {
    let sum: u16 = purpose.bytes().map(u16::from).sum();
    20_000 + sum
}

fn prepare(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("set");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.set_write_timeout(Some(PATIENCE)).expect("set");
    stream
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    (listener, address)
}

/// The stream of so many bytes that both ends know.
fn pattern(length: usize) -> impl Iterator<Item = u8> {
    (0..length).map(|position| {
        let [.., low] = (position / 251).to_be_bytes();
        let [.., own] = (position % 251).to_be_bytes();
        low ^ own
    })
}

/// The median time of an exchange in two writes; the server answers when both are there.
fn exchange(stream: &mut TcpStream) -> Duration {
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let begun = Instant::now();
            stream.write_all(b"half").expect("ask");
            thread::sleep(Duration::from_millis(1));
            stream.write_all(b"half").expect("ask");
            stream.read_exact(&mut [0; 8]).expect("hear");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn each_direction_is_held_and_the_knob_acts_at_once() {
    let (listener, target) = listen();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("accept");
        let mut stream = prepare(stream);
        let mut request = [0; 8];
        while stream.read_exact(&mut request).is_ok() {
            stream.write_all(&request).expect("answer");
        }
    });
    let proxy = Proxy::start("hold", target, "20");
    let mut client = proxy.connect();
    for (setting, wanted) in [("20", 40), ("0", 0), ("35.5", 71), ("junk", 71), ("5", 10)] {
        proxy.set_delay(setting);
        let wanted = Duration::from_millis(wanted);
        let found = exchange(&mut client);
        assert!(
            (wanted..wanted + SLACK).contains(&found),
            "{found:?} at {setting} ms each way"
        );
    }
    drop(client);
    server.join().expect("server");
}

#[test]
fn end_of_one_direction_is_passed_on_and_the_other_goes_on() {
    let (listener, target) = listen();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("accept");
        let mut stream = prepare(stream);
        let mut request = Vec::new();
        stream.read_to_end(&mut request).expect("an orderly end");
        request.reverse();
        stream.write_all(&request).expect("answer after the end");
    });
    let proxy = Proxy::start("half", target, "20");
    let mut client = proxy.connect();
    let request: Vec<u8> = pattern(1_000_000).collect();
    let begun = Instant::now();
    client.write_all(&request).expect("ask");
    client.shutdown(Shutdown::Write).expect("end");
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).expect("an orderly end");
    reply.reverse();
    assert!(reply == request, "{} bytes came back", reply.len());
    assert!(begun.elapsed() >= Duration::from_millis(40));
    server.join().expect("server");
}

#[test]
fn end_without_a_byte_waits_for_the_handshake_with_the_target() {
    // A queue of one connection, which is taken: the next handshake has to be begun again.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("socket");
    let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    socket.bind(&any.into()).expect("bind");
    socket.listen(0).expect("listen");
    // Bounds how long it accepts.
    socket.set_read_timeout(Some(PATIENCE / 4)).expect("set");
    let listener = TcpListener::from(socket);
    let target = listener.local_addr().expect("address");
    let _first = TcpStream::connect(target).expect("connect");
    let proxy = Proxy::start("empty", target, "0");
    let mut client = proxy.connect();
    client.shutdown(Shutdown::Write).expect("end");
    thread::sleep(Duration::from_millis(100));
    drop(listener.accept().expect("accept"));
    let (stream, _) = listener.accept().expect("accept");
    let mut stream = prepare(stream);
    assert_eq!(stream.read(&mut [0; 8]).expect("an orderly end"), 0);
    stream.write_all(b"answer").expect("answer");
    drop(stream);
    let mut reply = String::new();
    client.read_to_string(&mut reply).expect("an orderly end");
    assert_eq!(reply, "answer");
}

#[test]
fn hundred_megabytes_pass_whole_past_a_receiver_that_pauses() {
    const LENGTH: usize = 100_000_000;
    let (listener, target) = listen();
    let proxy = Proxy::start("much", target, "20");
    let idle = {
        drop(proxy.connect());
        drop(listener.accept().expect("accept"));
        proxy.memory()
    };
    let client = proxy.connect();
    let sender = thread::spawn(move || {
        let mut client = io::BufWriter::with_capacity(1 << 18, client);
        let bytes: Vec<u8> = pattern(LENGTH).collect();
        client
            .write_all(&bytes)
            .and_then(|()| client.flush())
            .expect("send");
    });
    let (stream, _) = listener.accept().expect("accept");
    let mut stream = prepare(stream);
    // Long enough for a proxy without bounds to take all.
    thread::sleep(Duration::from_millis(1500));
    let held = proxy.memory().saturating_sub(idle);
    assert!(
        held < 32 << 20,
        "{held} bytes are held for a receiver that pauses"
    );
    let begun = Instant::now();
    let mut wanted = pattern(LENGTH);
    let mut chunk = vec![0; 1 << 18];
    loop {
        let length = stream.read(&mut chunk).expect("read");
        if length == 0 {
            break;
        }
        let same = chunk[..length]
            .iter()
            .all(|byte| wanted.next() == Some(*byte));
        assert!(same, "bytes are out of order");
    }
    assert_eq!(wanted.next(), None, "bytes are missing");
    eprintln!("100 MB at 20 ms in {:?}", begun.elapsed());
    sender.join().expect("sender");
}

#[test]
fn target_that_refuses_resets_its_client_and_others_go_on() {
    let (listener, target) = listen();
    let proxy = Proxy::start("refused", target, "5");
    let _other = proxy.connect();
    let _accepted = listener.accept().expect("accept");
    drop(listener);
    let mut client = proxy.connect();
    let refused = client.read(&mut [0; 8]).expect_err("a reset");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionReset);
    drop(proxy.connect());
}

#[test]
fn unusable_configuration_is_named() {
    let path = std::env::temp_dir().join(format!("tcp-delay-{}-bad.json", process::id()));
    fs::write(&path, r#"{"listen": "127.0.0.1:1"}"#).expect("write");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["tcp-delay", "--config"])
        .arg(&path)
        .output()
        .expect("run");
    fs::remove_file(&path).expect("remove");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("bad.json") && said.contains("missing field `target`"),
        "{said}"
    );
}

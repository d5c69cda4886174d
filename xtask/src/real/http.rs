//! One HTTP request to a server of the lab, from inside a namespace. It knows neither TLS nor
//! answers worth reading: the status is all.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use crate::lab::LabError;
use crate::lab::netns;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Posts JSON; the status, or none if nobody answers yet.
pub(super) fn post(
    netns: &str,
    host: Ipv4Addr,
    port: u16,
    path: &str,
    body: &str,
) -> Result<Option<u16>, LabError> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let exchange = || -> std::io::Result<String> {
        let address = SocketAddrV4::new(host, port).into();
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = netns::within(netns, exchange)?.unwrap_or_default();
    Ok(answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok()))
}

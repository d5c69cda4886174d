//! The corpus of target `netlink`: dumps as the kernel writes them (`linux/rtnetlink.h`, `linux/if_link.h`),
//! and a message of each other kind.

/// Message types.
const NO_OPERATION: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;

/// Hardware types.
const ETHER: u16 = 1;
const LOOPBACK: u16 = 772;
const NONE: u16 = 65_534;

/// Named inputs.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let vxlan = [
        attribute(1, &1_u32.to_ne_bytes()),
        attribute(3, &2_u32.to_ne_bytes()),
        attribute(4, &[192, 168, 7, 11]),
        attribute(15, &8_472_u16.to_be_bytes()),
        attribute(17, &[0xfd; 16]),
    ]
    .concat();
    let devices = [
        link(1, LOOPBACK, "lo", None, &[]),
        link(2, ETHER, "eth0", None, &[]),
        link(3, ETHER, "cni0", Some("bridge"), &[]),
        link(4, ETHER, "flannel.1", Some("vxlan"), &vxlan),
        link(5, NONE, "tailscale0", Some("tun"), &[]),
        link(6, NONE, "flannel-wg", Some("wireguard"), &[]),
        link(7, ETHER, "veth1", Some("veth"), &[]),
        link(8, ETHER, "dummy0", Some("dummy"), &[]),
    ];
    let addresses = [
        address(2, &[192, 168, 7, 11], 24),
        address(3, &[10, 42, 1, 1], 24),
        address(3, &[0xfd; 16], 64),
    ];
    let end = message(DONE, &[0; 4]);
    let dump = [devices.concat(), addresses.concat(), end.clone()].concat();
    let refusal = [&(-2_i32).to_ne_bytes()[..], &[0; 16]].concat();
    let mut seeds = vec![
        ("dump".to_owned(), dump),
        ("end".to_owned(), end),
        ("refusal".to_owned(), message(ERROR, &refusal)),
        ("acknowledgement".to_owned(), message(ERROR, &[0; 20])),
        ("no_operation".to_owned(), message(NO_OPERATION, &[])),
        ("unreadable".to_owned(), message(NEW_LINK, &[0; 4])),
    ];
    for (number, device) in devices.into_iter().enumerate() {
        seeds.push((format!("device-{number}"), device));
    }
    seeds
}

fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend([kind.to_ne_bytes(), 2_u16.to_ne_bytes()].concat());
    bytes.extend([7_u32.to_ne_bytes(), 0_u32.to_ne_bytes()].concat());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn link(index: u32, hardware: u16, name: &str, kind: Option<&str>, data: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(hardware.to_ne_bytes());
    body.extend([index, 0x1_0043, 0].map(u32::to_ne_bytes).concat());
    body.extend(attribute(3, &[name.as_bytes(), &[0]].concat()));
    body.extend(attribute(4, &1_450_u32.to_ne_bytes()));
    body.extend(attribute(10, &0_u32.to_ne_bytes()));
    body.extend(attribute(16, &[6]));
    if let Some(kind) = kind {
        let mut about = attribute(1, &[kind.as_bytes(), &[0]].concat());
        if !data.is_empty() {
            about.extend(attribute(2, data));
        }
        body.extend(attribute(18, &about));
    }
    message(NEW_LINK, &body)
}

fn address(index: u32, octets: &[u8], length: u8) -> Vec<u8> {
    let family = if octets.len() == 4 { 2 } else { 10 };
    let mut body = vec![family, length, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend(attribute(1, octets));
    body.extend(attribute(2, octets));
    message(NEW_ADDRESS, &body)
}

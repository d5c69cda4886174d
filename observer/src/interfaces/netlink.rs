//! Questions to the kernel over a route netlink socket. The kernel answers a question inside the
//! call that sends it, so nothing here waits and no task is needed.
//!
//! Never: a request that adds or changes something. `Question` has GETs alone, and `Removal` what its
//! caller knows to be the agent's own.

use std::io::{self, ErrorKind};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::tc::TcMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::datagram::{Message, messages};

/// The kernel fills at most 32 KiB of a dump into one datagram (`netlink_dump`, Linux 4.9).
pub(crate) const DATAGRAM: usize = 64 * 1024;

/// A question that could not be asked or was not answered.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket.
    #[error(
        "open a route netlink socket: {0}; allow AF_NETLINK (seccomp profile, \
         RestrictAddressFamilies) and file descriptors"
    )]
    Open(#[source] io::Error),
    /// No subscription to device events.
    #[error("follow device events by route netlink: {0}; needs a tokio runtime with its IO driver")]
    Follow(#[source] io::Error),
    /// The kernel refused the question, or the socket failed.
    #[error("ask the kernel for {what}: {cause}")]
    Ask {
        /// What was asked.
        what: String,
        /// The kernel's answer.
        #[source]
        cause: io::Error,
    },
    /// An answer of another kind than the question.
    #[error(
        "ask the kernel for {what}: its answer cannot be read: {cause}; report it with `uname -r`"
    )]
    Unreadable {
        /// What was asked.
        what: String,
        /// What is wrong with the answer.
        cause: String,
    },
}

/// What can be asked.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    Link(LinkMessage),
    Address(AddressMessage),
    Route(RouteMessage),
    Rule(RuleMessage),
    Neighbour(NeighbourMessage),
    QueueDisciplines(TcMessage),
    Filters(TcMessage),
}

/// What can be removed.
#[derive(Clone, Debug)]
pub(crate) enum Removal {
    QueueDiscipline(TcMessage),
    Filter(TcMessage),
}

impl From<Removal> for RouteNetlinkMessage {
    fn from(removal: Removal) -> Self {
        match removal {
            Removal::QueueDiscipline(message) => Self::DelQueueDiscipline(message),
            Removal::Filter(message) => Self::DelTrafficFilter(message),
        }
    }
}

impl From<Question> for RouteNetlinkMessage {
    fn from(question: Question) -> Self {
        match question {
            Question::Link(message) => Self::GetLink(message),
            Question::Address(message) => Self::GetAddress(message),
            Question::Route(message) => Self::GetRoute(message),
            Question::Rule(message) => Self::GetRule(message),
            Question::Neighbour(message) => Self::GetNeighbour(message),
            Question::QueueDisciplines(message) => Self::GetQueueDiscipline(message),
            Question::Filters(message) => Self::GetTrafficFilter(message),
        }
    }
}

/// All entries of a table.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    pub(crate) entries: Vec<RouteNetlinkMessage>,
    /// The table changed meanwhile: entries may be missing or stand twice.
    pub(crate) interrupted: bool,
    /// Entries that could not be read.
    pub(crate) unreadable: u64,
}

/// A socket for questions. After a failure the next question opens a new one, so that no late
/// answer can be taken for another question's.
pub(crate) struct Netlink {
    socket: Option<Socket>,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    pub(crate) fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: Some(open_socket().map_err(NetlinkError::Open)?),
            sequence: 0,
            buffer: Vec::with_capacity(DATAGRAM),
        })
    }

    /// Asks for one entry. The inner error is the kernel's answer that there is none.
    pub(crate) fn one(
        &mut self,
        what: &str,
        question: Question,
    ) -> Result<io::Result<RouteNetlinkMessage>, NetlinkError> {
        let mut answer = None;
        let refused = self.exchange(what, question, NLM_F_REQUEST, |message| {
            answer = Some(message);
            true
        })?;
        match (refused, answer) {
            (Some(error), _) => Ok(Err(error)),
            (None, Some(Message::Entry { entry, .. })) => Ok(Ok(entry)),
            (None, _) => Err(unreadable(what, "no entry in it")),
        }
    }

    /// Asks for all entries.
    pub(crate) fn dump(&mut self, what: &str, question: Question) -> Result<Dump, NetlinkError> {
        let mut dump = Dump::default();
        let refused = self.exchange(what, question, NLM_F_REQUEST | NLM_F_DUMP, |message| {
            match message {
                Message::Entry { entry, flags } => {
                    dump.interrupted |= flags & NLM_F_DUMP_INTR != 0;
                    dump.entries.push(entry);
                }
                Message::End { flags } => {
                    dump.interrupted |= flags & NLM_F_DUMP_INTR != 0;
                    return true;
                }
                Message::Unreadable => dump.unreadable += 1,
                Message::Refusal(_) | Message::Other => {}
            }
            false
        })?;
        match refused {
            Some(cause) => Err(ask(what, cause)),
            None => Ok(dump),
        }
    }

    /// Removes something. What is not there, or whose device is not, is removed.
    pub(crate) fn remove(&mut self, what: &str, removal: Removal) -> Result<(), NetlinkError> {
        let refused = self.exchange(what, removal, NLM_F_REQUEST | NLM_F_ACK, |_| true)?;
        match refused.map(|error| (error.raw_os_error(), error)) {
            None | Some((Some(libc::ENOENT | libc::ENODEV), _)) => Ok(()),
            Some((_, cause)) => Err(ask(what, cause)),
        }
    }

    /// Sends `question` and hands its answers to `take` until that is satisfied. `Some` is the
    /// kernel's refusal.
    fn exchange(
        &mut self,
        what: &str,
        question: impl Into<RouteNetlinkMessage>,
        flags: u16,
        mut take: impl FnMut(Message) -> bool,
    ) -> Result<Option<io::Error>, NetlinkError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open_socket().map_err(NetlinkError::Open)?,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let failed = |cause| ask(what, cause);
        send(&socket, question, flags, self.sequence).map_err(failed)?;
        loop {
            self.buffer.clear();
            socket.recv(&mut self.buffer, 0).map_err(|cause| {
                if cause.kind() == ErrorKind::WouldBlock {
                    unreadable(what, "it ended early")
                } else {
                    failed(cause)
                }
            })?;
            for (sequence, message) in messages(&self.buffer) {
                if sequence != self.sequence {
                    continue;
                }
                let refused = if let Message::Refusal(error) = message {
                    Some(error)
                } else if take(message) {
                    None
                } else {
                    continue;
                };
                self.socket = Some(socket);
                return Ok(refused);
            }
        }
    }
}

fn open_socket() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.set_non_blocking(true)?;
    socket.set_netlink_get_strict_chk(true)?;
    Ok(socket)
}

fn send(
    socket: &Socket,
    question: impl Into<RouteNetlinkMessage>,
    flags: u16,
    sequence: u32,
) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let payload = NetlinkPayload::InnerMessage(question.into());
    let mut message = NetlinkMessage::new(header, payload);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0).map(drop)
}

fn ask(what: &str, cause: io::Error) -> NetlinkError {
    NetlinkError::Ask {
        what: what.to_owned(),
        cause,
    }
}

/// The error of an answer that is not what was asked for.
pub(crate) fn unreadable(what: &str, cause: &str) -> NetlinkError {
    NetlinkError::Unreadable {
        what: what.to_owned(),
        cause: cause.to_owned(),
    }
}

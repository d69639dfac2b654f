//! UDP datagrams and their answers.

use std::{
    net::SocketAddr,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use tokio::task::yield_now;

use super::{
    refusal,
    responder::{UDP_QUESTION, Who},
    sockets::{self, Transport},
    verdict::Seen,
};
use crate::model::Netns;

/// The port of name servers.
const DNS_PORT: u16 = 53;
/// "Who serves the root?", a whole DNS query: what a name server of the user's own answers, if with a refusal.
const DNS_QUESTION: &[u8] = &[0x6e, 0x77, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];

/// What came back.
pub(super) struct Answer {
    text: Vec<u8>,
    after: Duration,
}

/// Sends one datagram and waits, without an end, for an answer or for an error about it.
pub(super) async fn attempt(from: Netns, target: SocketAddr, who: Who) -> Result<Answer, Seen> {
    let question = match who {
        Who::Theirs { port: DNS_PORT, .. } => DNS_QUESTION,
        Who::Unknown | Who::Nobody(_) if target.port() == DNS_PORT => DNS_QUESTION,
        Who::Theirs { .. } | Who::Unknown | Who::Nobody(_) | Who::Ours { .. } => UDP_QUESTION,
    };
    let socket = sockets::udp(&from, target.ip())?;
    let told = |error| refusal::received(&error, socket.as_fd(), &from, Transport::Udp, target);
    // The others' sockets first: their making would count as waiting for our answer.
    yield_now().await;
    // Connected, so that only the target's answers and errors about this datagram come in.
    socket.connect(target).await.map_err(told)?;
    let sent = Instant::now();
    socket.send(question).await.map_err(told)?;
    let mut text = [0; 256];
    let length = socket.recv(&mut text).await.map_err(told)?;
    Ok(Answer { text: text[..length].to_vec(), after: sent.elapsed() })
}

/// Finds out who answered.
pub(super) fn identify(answer: &Answer, target: SocketAddr, who: &Who) -> Seen {
    who.judge(&answer.text, target.ip(), answer.after)
}

/// Silence of somebody else's server proves little; says so.
pub(super) fn explain(seen: Seen, who: &Who) -> Seen {
    match (seen, who) {
        (Seen::Silent { after, hint: None }, Who::Theirs { label, .. }) => Seen::Silent {
            after,
            hint: Some(format!("{label} has a listener of its own on that port, which must answer any datagram")),
        },
        (seen, _) => seen,
    }
}

//! ICMP echoes.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::task::yield_now;

use super::{
    icmp::{Echo, Heard},
    refusal, sockets,
    verdict::Seen,
};
use crate::model::Netns;

/// Sends one echo and waits, without an end, for its answer or for an error about it.
pub(super) async fn attempt(from: Netns, target: IpAddr, seq: u16) -> Result<Duration, Seen> {
    let random = RandomState::new().build_hasher().finish();
    let echo = Echo { target, ident: random as u16, seq, token: random.to_be_bytes() };
    let to = SocketAddr::new(target, 0);
    let socket = sockets::icmp(&from, target)?;
    // The others' sockets first: their making would count as waiting for our answer.
    yield_now().await;
    let sent = Instant::now();
    socket.send_to(&echo.request(), to).await.map_err(|error| refusal::local(&error, &from, to))?;
    // An answer to our echo is short; of a longer packet its beginning is enough.
    let mut packet = [0; 1024];
    loop {
        let (length, source) =
            socket.recv_from(&mut packet).await.map_err(|error| refusal::local(&error, &from, to))?;
        match echo.read(source.ip(), &packet[..length]) {
            Heard::Reply => return Ok(sent.elapsed()),
            Heard::Refused(what) => {
                return Err(Seen::Refused { words: format!("{what} from {}", source.ip()), by_target: false });
            }
            Heard::Unrelated => {}
        }
    }
}

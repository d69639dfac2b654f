//! TCP connections, and who took them.

use std::{
    net::SocketAddr,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use tokio::{io::AsyncReadExt, net::TcpStream, task::yield_now, time::timeout};

use super::{
    refusal,
    responder::Who,
    sockets::{self, Transport},
    verdict::Seen,
};
use crate::model::Netns;

/// How long our own listener may take to say its name on a busy machine.
const NAME_WAIT: Duration = Duration::from_millis(1000);
/// How long somebody else's server is given to show that it is one of our listeners after all.
const STRANGER_WAIT: Duration = Duration::from_millis(50);

/// A connection that stands.
pub(super) struct Connected {
    stream: TcpStream,
    after: Duration,
}

/// Connects, however long it takes.
pub(super) async fn attempt(from: Netns, target: SocketAddr) -> Result<Connected, Seen> {
    let (socket, handle) = sockets::tcp(&from, target.ip())?;
    // The others' sockets first: their making would count as waiting for our answer.
    yield_now().await;
    let start = Instant::now();
    let stream = socket
        .connect(target)
        .await
        .map_err(|error| refusal::received(&error, handle.as_fd(), &from, Transport::Tcp, target))?;
    let after = start.elapsed();
    if stream.local_addr().ok() == stream.peer_addr().ok() {
        // Within one namespace the kernel may choose the very port that is connected to, and TCP allows the rest.
        return Err(Seen::Refused { words: format!("nothing listens on {target}"), by_target: true });
    }
    Ok(Connected { stream, after })
}

/// Finds out who took a connection.
pub(super) async fn identify(connected: Connected, target: SocketAddr, who: &Who) -> Seen {
    let Connected { mut stream, after } = connected;
    let patience = match who {
        Who::Ours { .. } => NAME_WAIT,
        Who::Theirs { .. } => STRANGER_WAIT,
        Who::Unknown | Who::Nobody(_) => Duration::ZERO,
    };
    let mut said = Vec::new();
    let mut some = [0; 256];
    // A line is all that we want to know, and a server that says more than this is none of ours.
    let listening = async {
        while said.len() < some.len() && !said.contains(&b'\n') {
            match stream.read(&mut some).await {
                Ok(0) | Err(_) => break,
                Ok(length) => said.extend_from_slice(&some[..length]),
            }
        }
    };
    if !patience.is_zero() {
        // What was said until the time ran out is judged all the same.
        let _ = timeout(patience, listening).await;
    }
    who.judge(&said, target.ip(), after)
}

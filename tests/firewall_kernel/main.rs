//! The packet filter on the real kernel, each test in namespaces of its own.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod drift;
mod flows;
mod lab;
mod packets;
mod sandbox;

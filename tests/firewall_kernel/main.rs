//! The packet filter on the real kernel, each test in namespaces of its own.

mod drift;
mod flows;
mod lab;
mod packets;
mod sandbox;

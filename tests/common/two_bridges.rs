//! A lab to begin with.

/// Two namespaces, two bridges of the host; the links are put after it.
pub const LAB: &str = "
name: lab
namespaces: {web: {}, db: {}}
bridges: {br0: {addresses: [10.1.0.1/24, 'fd00:1::1/64']}, br1: {addresses: [10.2.0.1/24]}}
links:
";

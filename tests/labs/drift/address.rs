//! An address: missing, one too many, or with another prefix length.

use super::{Found, Link, Place};

pub fn drifts(place: &Place, link: &Link, found: &mut Found) {
    let name = &link.name;
    for (address, length) in &link.addresses {
        let v6 = address.contains(':');
        let family = if v6 { "IPv6" } else { "IPv4" };
        let sort = format!("{family} of {}", link.sort(place));
        let target = format!("{name} {address}/{length}");
        let delete = format!("ip address delete {address}/{length} dev {name}");
        if link.kind == "veth" {
            found.add(place, &sort, "missing address", &target, delete.clone()).cuts();
        } else {
            // Of a bridge or lo, it depends on the lab whether traffic needs it.
            found.add(place, &sort, "missing address", &target, delete.clone());
        }
        let extra = if v6 { "fd77::77/64" } else { "10.77.77.77/24" };
        found.add(place, &sort, "extra address", &target, format!("ip address add {extra} dev {name}"));
        let longest = if v6 { 128 } else { 32 };
        let other = if length + 1 < longest { length + 1 } else { length - 1 };
        let script = format!("{delete}; ip address add {address}/{other} dev {name}");
        found.add(place, &sort, "another prefix", &target, script);
    }
}

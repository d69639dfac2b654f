use super::*;
use crate::model::iptables::parse_save;

const WANTED: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:NW-DNAT-t - [0:0]\n:NW-POST-t - [0:0]\n\
    -A PREROUTING -d 1.1.1.1/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
    -A PREROUTING -d 2.2.2.2/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
    -A NW-DNAT-t -d 1.1.1.1/32 -j DNAT --to-destination 10.0.0.1\n\
    -A NW-POST-t -s 10.0.0.0/24 -o eth0 -j MASQUERADE\nCOMMIT\n";

fn topology() -> TopologyName {
    "t".parse().unwrap()
}

fn tables(text: &str) -> Vec<Table> {
    parse_save(Family::V4, text).unwrap()
}

fn live(text: &str) -> Vec<(Variant, Table)> {
    tables(text).into_iter().map(|table| (Variant::Nft, table)).collect()
}

fn one(wanted: &str, before: &str) -> Script {
    let mut all = scripts(&topology(), &tables(wanted), &live(before), Some(Variant::Nft));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn from_nothing_everything_is_made_and_the_jumps_keep_their_order() {
    let script = one(WANTED, "");
    assert_eq!(
        script.text,
        "*nat\n:NW-DNAT-t - [0:0]\n:NW-POST-t - [0:0]\n\
         -I PREROUTING 1 -d 2.2.2.2/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -I PREROUTING 1 -d 1.1.1.1/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -A NW-DNAT-t -d 1.1.1.1/32 -j DNAT --to-destination 10.0.0.1\n\
         -A NW-POST-t -s 10.0.0.0/24 -o eth0 -j MASQUERADE\nCOMMIT\n"
    );
    assert_eq!(
        script.undo,
        "*nat\n-D PREROUTING -d 1.1.1.1/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -D PREROUTING -d 2.2.2.2/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -F NW-DNAT-t\n-X NW-DNAT-t\n-F NW-POST-t\n-X NW-POST-t\nCOMMIT\n"
    );
}

#[test]
fn only_what_differs_is_loaded_again() {
    let before = "*nat\n:PREROUTING ACCEPT [0:0]\n:NW-DNAT-t - [0:0]\n:NW-POST-t - [0:0]\n:NW-DNAT-other - [0:0]\n\
        -A PREROUTING -d 2.2.2.2/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
        -A PREROUTING -j DOCKER\n\
        -A PREROUTING -d 1.1.1.1/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
        -A PREROUTING -d 2.2.2.2/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
        -A PREROUTING -d 3.3.3.3/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
        -A PREROUTING -m comment --comment \"netwright:other\" -j NW-DNAT-other\n\
        -A NW-DNAT-t -d 1.1.1.1/32 -j DNAT --to-destination 10.0.0.9\n\
        -A NW-POST-t -s 10.0.0.0/24 -o eth0 -j MASQUERADE\nCOMMIT\n";
    let script = one(WANTED, before);
    assert_eq!(
        script.text,
        "*nat\n:NW-DNAT-t - [0:0]\n\
         -D PREROUTING -d 2.2.2.2/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -D PREROUTING -d 3.3.3.3/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -A NW-DNAT-t -d 1.1.1.1/32 -j DNAT --to-destination 10.0.0.1\nCOMMIT\n"
    );
    assert_eq!(
        script.undo,
        "*nat\n:NW-DNAT-t - [0:0]\n\
         -I PREROUTING 1 -d 2.2.2.2/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -I PREROUTING 5 -d 3.3.3.3/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -A NW-DNAT-t -d 1.1.1.1/32 -j DNAT --to-destination 10.0.0.9\nCOMMIT\n"
    );
}

#[test]
fn removal_takes_the_jumps_as_saved_and_then_the_chains() {
    let all = scripts(&topology(), &[], &live(WANTED), Some(Variant::Legacy));
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].variant, Variant::Nft, "where they are, whatever the default is now");
    assert_eq!(
        all[0].text,
        "*nat\n-D PREROUTING -d 1.1.1.1/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -D PREROUTING -d 2.2.2.2/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -F NW-DNAT-t\n-X NW-DNAT-t\n-F NW-POST-t\n-X NW-POST-t\nCOMMIT\n"
    );
    assert_eq!(
        all[0].undo,
        "*nat\n:NW-DNAT-t - [0:0]\n:NW-POST-t - [0:0]\n\
         -I PREROUTING 1 -d 1.1.1.1/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -I PREROUTING 2 -d 2.2.2.2/32 -m comment --comment \"netwright:t\" -j NW-DNAT-t\n\
         -A NW-DNAT-t -d 1.1.1.1/32 -j DNAT --to-destination 10.0.0.1\n\
         -A NW-POST-t -s 10.0.0.0/24 -o eth0 -j MASQUERADE\nCOMMIT\n"
    );
}

#[test]
fn a_chain_that_is_no_longer_wanted_goes_with_its_jumps() {
    let wanted = "*nat\n:POSTROUTING ACCEPT [0:0]\n:NW-POST-t - [0:0]\n-A NW-POST-t -s 10.0.0.0/24 -o eth0 -j MASQUERADE\n\
        -A POSTROUTING -m comment --comment \"netwright:t\" -j NW-POST-t\nCOMMIT\n";
    let script = one(wanted, WANTED);
    assert!(script.text.ends_with("-F NW-DNAT-t\n-X NW-DNAT-t\nCOMMIT\n"), "{}", script.text);
    assert_eq!(script.text.matches("-D PREROUTING").count(), 2);
    assert!(script.text.contains("-I POSTROUTING 1 -m comment"));
    assert!(!script.text.contains(":NW-POST-t"), "it is as wanted");
}

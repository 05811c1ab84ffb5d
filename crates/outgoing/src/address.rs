//! Which addresses are on the public internet.
//!
//! The ranges that are not are those that IANA's registries of special-purpose addresses mark as not
//! globally reachable, and the IPv6 ranges that embed an IPv4 address, which could be used to reach a
//! refused one.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::Url;

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, with multicast.
const NOT_GLOBAL_V4: [&str; 16] = [
    "0.0.0.0/8",       // this network
    "10.0.0.0/8",      // private
    "100.64.0.0/10",   // shared by a provider's customers
    "127.0.0.0/8",     // loopback
    "169.254.0.0/16",  // link-local; the clouds' metadata
    "172.16.0.0/12",   // private
    "192.0.0.0/24",    // protocol assignments
    "192.0.2.0/24",    // documentation
    "192.31.196.0/24", // AS112
    "192.52.193.0/24", // AMT
    "192.88.99.0/24",  // 6to4 relays
    "192.168.0.0/16",  // private
    "192.175.48.0/24", // AS112
    "198.18.0.0/15",   // benchmarks
    "198.51.100.0/24", // documentation
    "203.0.113.0/24",  // documentation
];
/// The first address of multicast, reserved ranges and broadcast.
const FIRST_RESERVED_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 0);

/// The only block of IPv6 that is allocated for the public internet.
const GLOBAL_UNICAST_V6: &str = "2000::/3";
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>, within that block.
const NOT_GLOBAL_V6: [&str; 6] = [
    "2001::/23",         // protocol assignments, with Teredo
    "2001:db8::/32",     // documentation
    "2002::/16",         // 6to4
    "2620:4f:8000::/48", // AS112
    "3fff::/20",         // documentation
    "3ffe::/16",         // the 6bone, given back
];
/// The low 32 bits are an IPv4 address, to which a gateway forwards.
const NAT64: &str = "64:ff9b::/96";

struct Ranges {
    not_global_v4: Vec<Ipv4Net>,
    global_v6: Ipv6Net,
    not_global_v6: Vec<Ipv6Net>,
    nat64: Ipv6Net,
}

static RANGES: LazyLock<Ranges> = LazyLock::new(|| {
    let v6 = |text: &str| text.parse::<Ipv6Net>().expect("a constant network");
    Ranges {
        not_global_v4: NOT_GLOBAL_V4
            .iter()
            .map(|text| text.parse().expect("a constant network"))
            .collect(),
        global_v6: v6(GLOBAL_UNICAST_V6),
        not_global_v6: NOT_GLOBAL_V6.map(v6).to_vec(),
        nat64: v6(NAT64),
    }
});

/// Whether the address is on the public internet.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    address < FIRST_RESERVED_V4
        && !RANGES
            .not_global_v4
            .iter()
            .any(|range| range.contains(&address))
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_global_v4(mapped);
    }
    if RANGES.nat64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return is_global_v4(Ipv4Addr::new(a, b, c, d));
    }
    RANGES.global_v6.contains(&address)
        && !RANGES
            .not_global_v6
            .iter()
            .any(|range| range.contains(&address))
}

/// The URL's host, if it is known to be private without resolving it.
pub fn private_host(url: &Url) -> Option<String> {
    // The URL parser has already turned 127.1, 0x7f000001 and 2130706433 into 127.0.0.1.
    let host = url.host_str()?.trim_end_matches('.');
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let private = match literal.parse::<IpAddr>() {
        Ok(address) => !is_global(address),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    private.then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_ipv4_address_means_the_same_inside_of_an_ipv6_one(bits in any::<u32>()) {
            let address = Ipv4Addr::from(bits);
            let mapped = IpAddr::V6(address.to_ipv6_mapped());
            prop_assert_eq!(is_global(mapped), is_global(IpAddr::V4(address)));
        }
    }

    #[test]
    fn what_is_only_reachable_from_inside_is_not_global() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_global(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_is_on_the_internet_is_global() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2606:4700:4700::1111",
            "2a00:1450:4001:80e::200e",
        ] {
            assert!(is_global(address.parse().unwrap()), "{address}");
        }
    }
}

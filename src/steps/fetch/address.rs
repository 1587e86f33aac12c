//! Which addresses a URL from an event may lead to.

use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;

/// Addresses that are not public: IANA's registries of special-purpose addresses (RFC 6890), and
/// multicast. Metadata services of clouds are in them.
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    // Outside of 2000::/3 nothing is public yet.
    "::/3",
    "4000::/2",
    "8000::/1",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
];

/// Ranges whose addresses have an IPv4 address in them, and the bit where it begins.
const WITH_IPV4: &[(&str, u32)] = &[("::ffff:0:0/96", 96), ("64:ff9b::/96", 96), ("2002::/16", 16)];

static RANGES: LazyLock<Vec<IpNet>> =
    LazyLock::new(|| SPECIAL.iter().filter_map(|text| net(text)).collect());
static EMBEDDING: LazyLock<Vec<(IpNet, u32)>> =
    LazyLock::new(|| WITH_IPV4.iter().filter_map(|(text, at)| Some((net(text)?, *at))).collect());

fn net(text: &str) -> Option<IpNet> {
    text.parse().ok()
}

/// Whether an address is one of the public internet. An IPv6 address that leads to an IPv4 address
/// is as public as that.
pub fn is_public(address: IpAddr) -> bool {
    if let IpAddr::V6(v6) = address
        && let Some((_, at)) = EMBEDDING.iter().find(|(range, _)| range.contains(&address))
    {
        let v4 = (v6.to_bits() >> (96 - at)) as u32;
        return is_public(IpAddr::V4(v4.into()));
    }
    !RANGES.iter().any(|range| range.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_one() {
        assert_eq!(RANGES.len(), SPECIAL.len());
        assert_eq!(EMBEDDING.len(), WITH_IPV4.len());
    }

    #[test]
    fn private_local_and_metadata_addresses_are_not_public() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:a00:1::",
            "::127.0.0.1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
        for address in [
            "8.8.8.8",
            "52.218.0.1",
            "2a05:d018::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::",
        ] {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
    }
}

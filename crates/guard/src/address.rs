//! The address policy: which addresses are special, and who may reach them all the same (C5).
//!
//! IPv4 is refused by list (the IANA special-purpose registry). IPv6 is refused by default: only global unicast
//! (`2000::/3`) passes, less what is special in it. An address that carries an IPv4 address which the network will
//! connect to (mapped, NAT64) is judged as that one; the old tunnels (6to4, Teredo, compatible) are refused whole.
//!
//! Its place in the next steps: the operator's allow-list and the refusal of our own listeners belong into [`judge`],
//! before the table is asked.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// How far a destination may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Public addresses only.
    Public,
    /// An admin or the configuration file vouches for it: private and loopback addresses too.
    Vouched,
}

/// What makes an address special.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Special {
    Loopback,
    /// RFC 1918, and unique local addresses of IPv6 (RFC 4193).
    Private,
    /// Shared by carriers, and by overlay networks (RFC 6598).
    CarrierGrade,
    /// Where clouds keep credentials of the machine.
    Metadata,
    /// `169.254.0.0/16`, where most metadata services live, and `fe80::/10`.
    LinkLocal,
    /// `0.0.0.0` and `::`: "this host", which Linux connects to itself.
    Unspecified,
    Multicast,
    /// For examples in texts (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// A tunnel whose far end nobody vouches for: 6to4, Teredo, ISATAP and their like.
    Tunnel,
    /// The rest of what IANA keeps back.
    Reserved,
}

/// The policy refused an address before anything was sent to it.
///
/// Its text names the kind only: what an internal name resolves to is nothing to tell a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{special} addresses may not be reached")]
pub struct Refusal {
    address: IpAddr,
    special: Special,
}

impl Refusal {
    /// Returns the address, for the operator's log.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns why it was refused.
    #[must_use]
    pub const fn special(&self) -> Special {
        self.special
    }
}

impl fmt::Display for Special {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::CarrierGrade => "carrier-grade NAT",
            Self::Metadata => "cloud metadata",
            Self::LinkLocal => "link-local",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Documentation => "documentation",
            Self::Tunnel => "tunnel",
            Self::Reserved => "reserved",
        })
    }
}

/// Decides whether `address` may be connected to.
///
/// # Errors
///
/// [`Refusal`] for every special address. [`Reach::Vouched`] lets loopback, private and carrier-grade ones pass, and no
/// other: metadata addresses stay refused whoever vouches.
pub fn judge(address: IpAddr, reach: Reach) -> Result<(), Refusal> {
    match (special(address), reach) {
        (None, _) | (Some(Special::Loopback | Special::Private | Special::CarrierGrade), Reach::Vouched) => Ok(()),
        (Some(special), _) => Err(Refusal { address, special }),
    }
}

fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

/// Alibaba Cloud's metadata, within the carrier-grade range.
const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
/// Azure's platform address: public by number, answered by the host of the machine.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
/// Oracle Cloud's metadata, within the range of protocol assignments.
const ORACLE: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 192);

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    Some(match address.octets() {
        _ if matches!(address, ALIBABA | AZURE | ORACLE) => Special::Metadata,
        [0, ..] => Special::Unspecified,
        [127, ..] => Special::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Special::Private,
        [100, 64..=127, ..] => Special::CarrierGrade,
        [169, 254, ..] => Special::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Special::Documentation,
        // Protocol assignments; the relays of 6to4; benchmarking (RFC 2544); the former class E with broadcast.
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [240..=255, ..] => Special::Reserved,
        [224..=239, ..] => Special::Multicast,
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return special_v4(mapped);
    }
    let segments = address.segments();
    let embedded = v4(segments[6], segments[7]);
    Some(match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Special::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Special::Loopback,
        // The well-known prefix of NAT64 (RFC 6052): what the translator will connect to. On such a network every IPv4
        // receiver has an address of this form.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => return special_v4(embedded),
        [0x64, 0xff9b, ..] => Special::Tunnel,
        // The rest of ::/8, whole: compatible, translated (SIIT) and what may come.
        [0..=0xff, ..] => Special::Reserved,
        _ if is_metadata(segments) => Special::Metadata,
        [0xfc00..=0xfdff, ..] => Special::Private,
        [0xfe80..=0xfebf, ..] => Special::LinkLocal,
        [0xff00..=0xffff, ..] => Special::Multicast,
        // Teredo, and 6to4.
        [0x2001, 0, ..] | [0x2002, ..] => Special::Tunnel,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Special::Documentation,
        // Protocol assignments, 2001::/23.
        [0x2001, 0..=0x1ff, ..] => Special::Reserved,
        // ISATAP (RFC 5214) under any prefix: a tunnel to the IPv4 address at its end.
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => Special::Tunnel,
        [0x2000..=0x3fff, ..] => return None,
        _ => Special::Reserved,
    })
}

/// AWS (`fd00:ec2::254`, `::23` and what else is below), Google, Oracle, Scaleway.
fn is_metadata(segments: [u16; 8]) -> bool {
    matches!(
        segments,
        [0xfd00, 0xec2, ..]
            | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]
            | [0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
            | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]
    )
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;

    /// Every special range of IPv4, written apart from the code above.
    const SPECIAL_V4: &[(&str, u32)] = &[
        ("0.0.0.0", 8),
        ("10.0.0.0", 8),
        ("100.64.0.0", 10),
        ("127.0.0.0", 8),
        ("168.63.129.16", 32),
        ("169.254.0.0", 16),
        ("172.16.0.0", 12),
        ("192.0.0.0", 24),
        ("192.0.2.0", 24),
        ("192.88.99.0", 24),
        ("192.168.0.0", 16),
        ("198.18.0.0", 15),
        ("198.51.100.0", 24),
        ("203.0.113.0", 24),
        ("224.0.0.0", 4),
        ("240.0.0.0", 4),
    ];
    /// Every special range of IPv6 that no IPv4 address decides.
    const SPECIAL_V6: &[(&str, u32)] = &[
        ("::", 96),
        ("::ffff:0:0:0", 96),
        ("64:ff9b:1::", 48),
        ("100::", 64),
        ("200::", 7),
        ("400::", 6),
        ("1000::", 4),
        ("2001::", 23),
        ("2001:db8::", 32),
        ("2002::", 16),
        ("3fff::", 20),
        ("4000::", 2),
        ("8000::", 2),
        ("5f00::", 16),
        ("c000::", 3),
        ("fc00::", 7),
        ("fe80::", 10),
        ("fec0::", 10),
        ("ff00::", 8),
    ];

    fn within_v4((base, length): (&str, u32), random: u32) -> Ipv4Addr {
        let base = u32::from(base.parse::<Ipv4Addr>().expect("an address"));
        let host = u32::MAX.checked_shr(length).unwrap_or(0);
        Ipv4Addr::from(base & !host | random & host)
    }

    fn within_v6((base, length): (&str, u32), random: u128) -> Ipv6Addr {
        let base = u128::from(base.parse::<Ipv6Addr>().expect("an address"));
        let host = u128::MAX.checked_shr(length).unwrap_or(0);
        Ipv6Addr::from(base & !host | random & host)
    }

    fn is_special_v4(address: Ipv4Addr) -> bool {
        SPECIAL_V4.iter().any(|&range| within_v4(range, u32::from(address)) == address)
    }

    /// Every way an IPv4 address hides in an IPv6 address. The first two are connected to as IPv4.
    fn embeddings(address: Ipv4Addr) -> Vec<Ipv6Addr> {
        let number = u128::from(u32::from(address));
        let under = |prefix: &str| u128::from(prefix.parse::<Ipv6Addr>().expect("an address"));
        [
            under("::ffff:0:0") | number,
            under("64:ff9b::") | number,
            under("64:ff9b:1::") | number,
            number,
            under("::ffff:0:0:0") | number,
            under("2002::") | number << 80,
            under("2001::") | number << 64 | 0xffff_ffff,
            under("2001::") | (!number & 0xffff_ffff),
            under("2606:4700::5efe:0:0") | number,
            under("2606:4700::200:5efe:0:0") | number,
            under("fe80::5efe:0:0") | number,
        ]
        .map(Ipv6Addr::from)
        .into()
    }

    fn refused(address: impl Into<IpAddr>, reach: Reach) -> bool {
        judge(address.into(), reach).is_err()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_special_ipv4_address_is_refused_in_every_embedding(range in select(SPECIAL_V4), random in any::<u32>()) {
            let address = within_v4(range, random);
            prop_assert!(refused(address, Reach::Public), "{address}");
            for embedded in embeddings(address) {
                prop_assert!(refused(embedded, Reach::Public), "{address} as {embedded}");
            }
        }

        #[test]
        fn a_public_ipv4_address_passes_plain_mapped_and_through_nat64_and_by_no_tunnel(random in any::<u32>()) {
            let address = Ipv4Addr::from(random);
            prop_assume!(!is_special_v4(address));
            prop_assert!(!refused(address, Reach::Public), "{address}");
            for (place, embedded) in embeddings(address).into_iter().enumerate() {
                prop_assert_eq!(refused(embedded, Reach::Public), place >= 2, "{} as {}", address, embedded);
            }
        }

        #[test]
        fn a_special_ipv6_address_is_refused(range in select(SPECIAL_V6), random in any::<u128>()) {
            let address = within_v6(range, random);
            prop_assert!(refused(address, Reach::Public), "{address}");
        }

        #[test]
        fn whoever_vouches_only_opens_more_and_never_metadata(bits in any::<u128>(), range in select(SPECIAL_V4), random in any::<u32>()) {
            let v6 = Ipv6Addr::from(bits);
            let v4 = within_v4(range, random);
            for address in [IpAddr::from(v6), v4.into()].into_iter().chain(embeddings(v4).into_iter().map(Into::into)) {
                match (judge(address, Reach::Public), judge(address, Reach::Vouched)) {
                    (Ok(()), vouched) => prop_assert_eq!(vouched, Ok(())),
                    (Err(refusal), Ok(())) => prop_assert!(
                        matches!(refusal.special(), Special::Loopback | Special::Private | Special::CarrierGrade)
                    ),
                    (Err(public), Err(vouched)) => prop_assert_eq!(public, vouched),
                }
            }
        }
    }

    #[test]
    fn well_known_receivers_are_public() {
        for address in
            ["1.1.1.1", "8.8.8.8", "104.16.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1", "64:ff9b::101:101"]
        {
            assert_eq!(judge(address.parse().expect(address), Reach::Public), Ok(()), "{address}");
        }
    }

    #[test]
    fn an_admin_reaches_private_and_loopback_addresses() {
        for address in
            ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd12::1"]
        {
            let address = address.parse().expect(address);
            assert!(refused(address, Reach::Public), "{address}");
            assert_eq!(judge(address, Reach::Vouched), Ok(()), "{address}");
        }
    }

    #[test]
    fn metadata_and_what_nobody_needs_stays_refused_whoever_vouches() {
        for (address, special) in [
            ("169.254.169.254", Special::LinkLocal),
            ("169.254.170.2", Special::LinkLocal),
            ("::ffff:169.254.169.254", Special::LinkLocal),
            ("64:ff9b::a9fe:a9fe", Special::LinkLocal),
            ("100.100.100.200", Special::Metadata),
            ("168.63.129.16", Special::Metadata),
            ("192.0.0.192", Special::Metadata),
            ("fd00:ec2::254", Special::Metadata),
            ("fd00:ec2::23", Special::Metadata),
            ("fd20:ce::254", Special::Metadata),
            ("fd00:c1::a9fe:a9fe", Special::Metadata),
            ("fd00:42::42", Special::Metadata),
            ("0.0.0.0", Special::Unspecified),
            ("::", Special::Unspecified),
            ("fe80::1", Special::LinkLocal),
            ("224.0.0.1", Special::Multicast),
            ("255.255.255.255", Special::Reserved),
            ("::127.0.0.1", Special::Reserved),
            ("2002:7f00:1::", Special::Tunnel),
        ] {
            let address: IpAddr = address.parse().expect(address);
            assert_eq!(judge(address, Reach::Vouched), Err(Refusal { address, special }), "{address}");
        }
    }

    #[test]
    fn a_refusal_names_the_kind_and_keeps_the_address_for_the_operator() {
        let refusal = judge(IpAddr::from([10, 1, 2, 3]), Reach::Public).expect_err("10.0.0.0/8 is private");
        assert_eq!(refusal.to_string(), "private addresses may not be reached");
        assert_eq!(refusal.address(), IpAddr::from([10, 1, 2, 3]));
    }
}

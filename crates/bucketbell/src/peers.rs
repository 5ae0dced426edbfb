//! Who holds how many connections of one port, so that one peer cannot take them all.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The bits of an IPv6 address that tell whose it is: a home or a server gets a /64, and with it any number of addresses.
const IPV6_PREFIX: u32 = 64;

/// Counts connections by peer.
#[derive(Debug, Clone)]
pub struct Peers {
    seats: Arc<Mutex<HashMap<IpAddr, usize>>>,
    seats_max: usize,
}

/// One connection's place among its peer's. Dropping it gives the place back.
#[derive(Debug)]
pub struct Seat {
    peers: Peers,
    peer: IpAddr,
}

impl Peers {
    pub fn new(seats_max: usize) -> Self {
        Self { seats: Arc::default(), seats_max }
    }

    /// Returns a place for a connection from the address, `None` when its peer has as many as one may have.
    pub fn seat(&self, address: IpAddr) -> Option<Seat> {
        let peer = peer(address);
        let mut seats = self.seats();
        let taken = seats.entry(peer).or_insert(0);
        if *taken >= self.seats_max {
            return None;
        }
        *taken += 1;
        drop(seats);
        Some(Seat { peers: self.clone(), peer })
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // A count is changed in one step: a panic elsewhere cannot leave it half changed.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Entry::Occupied(mut taken) = self.peers.seats().entry(self.peer) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

/// Returns what stands for everybody who can be assumed to be one: an IPv4 address, or the network of an IPv6 one.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - IPV6_PREFIX)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_gets_its_share_and_no_more_until_it_gives_some_back() {
        let peers = Peers::new(2);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let (first, second) = (peers.seat(a), peers.seat(a));
        assert!(first.is_some() && second.is_some() && peers.seat(a).is_none());
        assert!(peers.seat(b).is_some(), "the others do not notice");
        drop(first);
        assert!(peers.seat(a).is_some());
        drop(second);
        assert!(peers.seats().is_empty(), "nothing is remembered of those who left");
    }

    #[test]
    fn one_network_of_ipv6_is_one_peer_and_a_mapped_address_is_the_ipv4_one() {
        let of = |text: &str| peer(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}

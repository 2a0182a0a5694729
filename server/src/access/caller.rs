//! A caller: who it is, and what it showed.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use paystats_core::config::Secret;

use super::{Right, Roles};

/// Somebody whose key or token was accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: Arc<str>,
    pub(super) roles: Roles,
    pub(super) expires: Option<SystemTime>,
}

impl Known {
    pub(super) fn has_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= SystemTime::now())
    }

    /// The clock is looked at again every hour, for it may be set.
    pub(super) async fn until_expired(&self) {
        const HOUR: Duration = Duration::from_secs(3_600);
        let Some(expires) = self.expires else { return std::future::pending().await };
        while let Ok(left) = expires.duration_since(SystemTime::now())
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(HOUR)).await;
        }
    }
}

/// What requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Name(Arc<str>),
    /// Of IPv6 the network of 64 bits: as much one customer of a provider has.
    Address(IpAddr),
    Unknown,
}

impl Key {
    pub(super) fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::Unknown,
            Some(IpAddr::V6(address)) => Self::Address(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
            Some(address) => Self::Address(address),
        }
    }
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    key: Key,
    shown: Option<Arc<Shown>>,
}

#[derive(Debug)]
struct Shown {
    known: Arc<Known>,
    token: Secret,
}

impl Caller {
    /// Somebody at an open server.
    pub(crate) fn anybody(address: Option<IpAddr>) -> Self {
        Self { key: Key::of(address), shown: None }
    }

    pub(super) fn known(known: Arc<Known>, token: &str) -> Self {
        let key = Key::Name(known.name.clone());
        Self { key, shown: Some(Arc::new(Shown { known, token: Secret::new(token) })) }
    }

    /// The name of the key, or the subject of the token; `None` at an open server.
    pub fn name(&self) -> Option<&str> {
        self.shown.as_ref().map(|shown| &*shown.known.name)
    }

    /// Whether the caller may do this.
    pub fn may(&self, right: Right) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.known.roles.have(right))
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn shown(&self) -> Option<(&Known, &str)> {
        self.shown.as_ref().map(|shown| (&*shown.known, shown.token.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_by_who_has_them() {
        let key = |address: &str| Key::of(Some(address.parse().unwrap()));
        assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
        assert_ne!(key("192.0.2.8"), key("192.0.2.7"));
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2::7"));
        assert_ne!(key("2001:db8:1:3::1"), key("2001:db8:1:2::1"));
    }
}

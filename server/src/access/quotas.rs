//! How much one caller may ask for: requests by a token bucket, and subscriptions at once.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use governor::{DefaultKeyedRateLimiter, RateLimiter};

use super::{Quota, TooMuch, caller::Key};

/// What every caller has used up.
#[derive(Debug)]
pub(super) struct Quotas {
    requests: Option<DefaultKeyedRateLimiter<Key>>,
    most_subscriptions: Option<usize>,
    subscriptions: Arc<Mutex<HashMap<Key, usize>>>,
}

/// A subscription that is counted as long as this is held.
#[derive(Debug)]
pub struct Watching {
    key: Key,
    subscriptions: Arc<Mutex<HashMap<Key, usize>>>,
}

impl Quotas {
    pub(super) fn new(quota: Quota) -> Self {
        let requests = NonZeroU32::new(quota.requests_per_second).map(|each_second| {
            // A page that opens asks much at once, and then little.
            let at_once = each_second.saturating_mul(const { NonZeroU32::new(2).unwrap() });
            RateLimiter::keyed(governor::Quota::per_second(each_second).allow_burst(at_once))
        });
        let most_subscriptions = Some(quota.subscriptions).filter(|&most| most > 0);
        Self { requests, most_subscriptions, subscriptions: Arc::default() }
    }

    pub(super) fn count_request(&self, key: &Key) -> Result<(), TooMuch> {
        let Some(requests) = &self.requests else { return Ok(()) };
        requests.check_key(key).map_err(|_| TooMuch::Requests)
    }

    pub(super) fn watching(&self, key: &Key) -> Result<Watching, TooMuch> {
        let mut subscriptions = lock(&self.subscriptions);
        let running = subscriptions.entry(key.clone()).or_default();
        if let Some(most) = self.most_subscriptions
            && *running >= most
        {
            return Err(TooMuch::Subscriptions { most });
        }
        *running += 1;
        Ok(Watching { key: key.clone(), subscriptions: self.subscriptions.clone() })
    }

    /// Forgets who has not asked for long, so that this does not grow with all who ever did.
    pub(super) fn forget_idle(&self) {
        if let Some(requests) = &self.requests {
            requests.retain_recent();
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut subscriptions = lock(&self.subscriptions);
        if let Some(running) = subscriptions.get_mut(&self.key) {
            *running -= 1;
            if *running == 0 {
                subscriptions.remove(&self.key);
            }
        }
    }
}

fn lock(subscriptions: &Mutex<HashMap<Key, usize>>) -> MutexGuard<'_, HashMap<Key, usize>> {
    subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas(requests_per_second: u32, subscriptions: usize) -> (Quotas, [Key; 2]) {
        (Quotas::new(Quota { requests_per_second, subscriptions }), ["a", "b"].map(|name| Key::Name(name.into())))
    }

    #[test]
    fn a_bucket_of_requests_is_each_callers_own() {
        let (quotas, [a, b]) = quotas(1, 0);
        assert_eq!([(); 3].map(|()| quotas.count_request(&a).is_ok()), [true, true, false]);
        assert_eq!(quotas.count_request(&a), Err(TooMuch::Requests));
        assert!(quotas.count_request(&b).is_ok());
    }

    #[test]
    fn a_subscription_that_ends_makes_place() {
        let (quotas, [a, b]) = quotas(0, 2);
        let held = [quotas.watching(&a).unwrap(), quotas.watching(&a).unwrap()];
        assert_eq!(quotas.watching(&a).unwrap_err(), TooMuch::Subscriptions { most: 2 });
        assert!(quotas.watching(&b).is_ok());
        drop(held);
        assert!(lock(&quotas.subscriptions).is_empty());
        assert!(quotas.watching(&a).is_ok());
    }

    #[test]
    fn zero_is_no_limit() {
        let (quotas, [a, _]) = quotas(0, 0);
        let held: Vec<_> = (0..10_000).map(|_| quotas.watching(&a).unwrap()).collect();
        assert!((0..10_000).all(|_| quotas.count_request(&a).is_ok()));
        drop(held);
    }
}

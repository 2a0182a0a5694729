//! API keys: made here, kept as hashes in a file, a line each.
//!
//! ```text
//! # name       roles           SHA-256 of the key            last day, if any
//! dashboard    reader          5d41…                          2027-06-30
//! nightly      loader,editor   7d79…
//! ```
//!
//! A key is 256 random bits, so its hash needs neither salt nor effort: there is nothing to guess.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use paystats_core::config::{ConfigError, Secret};
use ring::rand;
use sha2::{Digest, Sha256};
use time::{Date, Time, macros::format_description};

use super::{Roles, caller::Known};

const VARIABLE: &str = "PAYSTATS_API_KEYS";

/// So that a key is known for one where it leaks, by people and by those who look for such.
const PREFIX: &str = "paystats_";

/// A key, which is shown once, and the line that stands for it.
#[derive(Debug)]
pub struct ApiKey {
    /// What a caller shows.
    pub key: Secret,
    /// What the file holds of it.
    pub line: String,
}

impl ApiKey {
    /// Makes one.
    ///
    /// # Errors
    /// If the name could not stand in a line.
    pub fn generate(name: &str, roles: Roles, last_day: Option<Date>) -> Result<Self, String> {
        if name.is_empty()
            || name.len() > 100
            || name.starts_with('#')
            || name.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(format!("'{name}' cannot be a name: 1 to 100 bytes without spaces, and no # at the beginning"));
        }
        let bits: rand::Random<[u8; 32]> = rand::generate(&rand::SystemRandom::new())
            .map_err(|_| "this machine gives no random numbers".to_owned())?;
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits.expose()));
        let mut line = format!("{name} {roles} {}", hex::encode(hash(&key)));
        if let Some(day) = last_day {
            line = format!("{line} {day}");
        }
        Ok(Self { key: Secret::new(key), line })
    }

    /// Whether this is a key, rather than a token of another kind.
    pub(super) fn is_one(token: &str) -> bool {
        token.starts_with(PREFIX)
    }
}

type Hash = [u8; 32];

fn hash(key: &str) -> Hash {
    Sha256::digest(key).into()
}

/// The keys of a file.
#[derive(Debug)]
pub struct ApiKeys {
    file: PathBuf,
    kept: RwLock<Kept>,
}

#[derive(Debug)]
struct Kept {
    text: String,
    keys: HashMap<Hash, Arc<Known>>,
}

impl ApiKeys {
    /// Reads them.
    pub(super) fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = text_of(file)?;
        let keys = parse(&text)?;
        Ok(Self { file: file.to_owned(), kept: RwLock::new(Kept { text, keys }) })
    }

    /// Reads them again, and tells whether they changed. With an error they stay as they are.
    pub(super) fn read_again(&self) -> Result<bool, ConfigError> {
        let text = text_of(&self.file)?;
        if self.kept.read().unwrap_or_else(PoisonError::into_inner).text == text {
            return Ok(false);
        }
        let keys = parse(&text)?;
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Kept { text, keys };
        Ok(true)
    }

    pub(super) fn find(&self, key: &str) -> Option<Arc<Known>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).keys.get(&hash(key)).cloned()
    }
}

fn text_of(file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|error| ConfigError::Invalid {
        variable: VARIABLE,
        reason: format!("reading {}: {error}", file.display()),
    })
}

fn parse(text: &str) -> Result<HashMap<Hash, Arc<Known>>, ConfigError> {
    let mut keys = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (hash, known) = parse_line(line).map_err(|reason| ConfigError::Invalid {
            variable: VARIABLE,
            reason: format!("line {}: {reason}", number + 1),
        })?;
        keys.insert(hash, Arc::new(known));
    }
    if keys.is_empty() {
        let reason = "there is no key in the file: `paystats-server api-key NAME --role ROLE` makes a line".to_owned();
        return Err(ConfigError::Invalid { variable: VARIABLE, reason });
    }
    Ok(keys)
}

/// The error repeats nothing of the line: somebody may have put the key itself there.
fn parse_line(line: &str) -> Result<(Hash, Known), String> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(roles), Some(hash), day, None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err("a line is a name, roles with commas, the hash of a key, and a last day if there is one".to_owned());
    };
    let roles: Roles = roles
        .split(',')
        .map(|role| role.parse().map_err(|_| "the roles are reader, editor, loader and admin, with commas".to_owned()))
        .collect::<Result<_, String>>()?;
    let mut bytes = Hash::default();
    hex::decode_to_slice(hash, &mut bytes)
        .map_err(|_| "the third word is no hash: it has 64 hexadecimal digits".to_owned())?;
    let expires = day.map(end_of).transpose()?;
    Ok((bytes, Known { name: name.into(), roles, expires }))
}

/// The end of a day in UTC.
fn end_of(day: &str) -> Result<SystemTime, String> {
    let day = Date::parse(day, format_description!("[year]-[month]-[day]"));
    let next = day.ok().and_then(Date::next_day).ok_or("the last day is no day such as 2027-06-30")?;
    Ok(next.with_time(Time::MIDNIGHT).assume_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Right, Role};

    #[test]
    fn a_key_is_found_by_its_line_and_no_other() {
        let day = Date::from_calendar_date(2100, time::Month::January, 31).unwrap();
        let made = ApiKey::generate("nightly", Roles::from_iter([Role::Loader]), Some(day)).unwrap();
        assert!(!made.line.contains(made.key.expose()) && made.line.ends_with(" 2100-01-31"), "{}", made.line);
        assert!(ApiKey::is_one(made.key.expose()));
        let keys = parse(&format!("# comment\n\n  {}\n", made.line)).unwrap();
        let known = keys.get(&hash(made.key.expose())).unwrap();
        assert_eq!(&*known.name, "nightly");
        assert!(known.roles.have(Right::Load) && !known.roles.have(Right::Edit) && !known.has_expired());
        let other = ApiKey::generate("nightly", Roles::all(), None).unwrap();
        assert!(!keys.contains_key(&hash(other.key.expose())));
    }

    #[test]
    fn a_key_lasts_to_the_end_of_its_last_day() {
        let midnight = time::macros::datetime!(2027-07-01 0:00 UTC);
        assert_eq!(end_of("2027-06-30"), Ok(midnight.into()));
        assert!(end_of("2027-02-30").is_err() && end_of("tomorrow").is_err());
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told_without_the_key() {
        let hash = "0".repeat(64);
        for (text, reason) in [
            (String::new(), "there is no key"),
            ("hunter2".to_owned(), "line 1: a line is a name"),
            (format!("\na root {hash}"), "line 2: the roles are"),
            (format!("a  {hash}"), "line 1: a line is a name"),
            ("a reader paystats_hunter2".to_owned(), "line 1: the third word is no hash"),
            (format!("a reader {hash} soon"), "line 1: the last day"),
            (format!("a reader {hash} 2027-06-30 more"), "line 1: a line is a name"),
        ] {
            let error = parse(&text).expect_err(&text).to_string();
            assert!(error.starts_with(&format!("PAYSTATS_API_KEYS: {reason}")), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for name in ["", "two words", "#a", "a\tb"] {
            assert!(ApiKey::generate(name, Roles::all(), None).is_err(), "{name:?}");
        }
    }
}

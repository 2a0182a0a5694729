//! Documents that are asked for by their SHA-256: a client sends `extensions: {persistedQuery: {version: 1, sha256Hash}}` and no text.
//!
//! Clients tell documents by sending text and hash once (Apollo's automatic persisted queries); those that were asked for last are kept. Or
//! an operator registers all documents that may be asked at all: then nothing else is answered, whether it comes as a hash or as text.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use async_graphql::{Request, ServerError, Value};
use lru::LruCache;
use sha2::{Digest, Sha256};

use super::response::{Code, with_code};

/// How much text of documents that clients told is kept, in bytes.
const KEPT: usize = 4 << 20;
/// The longest of them, in bytes.
const LONGEST: usize = 64 << 10;

type Hash = [u8; 32];

/// The documents that are known by their hash.
#[derive(Debug)]
pub enum PersistedDocuments {
    /// Those that clients told. Any other may be asked too.
    Told(Mutex<Told>),
    /// Those that may be asked, and no others.
    Registered(HashMap<Hash, String>),
}

/// What clients told.
#[derive(Debug)]
pub struct Told {
    documents: LruCache<Hash, String>,
    bytes: usize,
}

impl Default for PersistedDocuments {
    fn default() -> Self {
        Self::Told(Mutex::new(Told { documents: LruCache::unbounded(), bytes: 0 }))
    }
}

impl PersistedDocuments {
    /// Registers the documents of a JSON object, whose values they are. Its keys, which tools make, mean nothing here.
    ///
    /// # Errors
    /// If it is none, or has none.
    pub fn registered(json: &str) -> Result<Self, String> {
        let documents: HashMap<String, String> =
            serde_json::from_str(json).map_err(|error| format!("it is no JSON object of documents: {error}"))?;
        if documents.is_empty() {
            return Err("there is no document in it".to_owned());
        }
        Ok(Self::Registered(documents.into_values().map(|text| (hash(&text), text)).collect()))
    }

    /// Gives the request its text, if it names a document by hash, and learns the document, if it tells both.
    pub(super) fn resolve(&self, request: &mut Request) -> Result<(), ServerError> {
        let named = named(request)?;
        match self {
            Self::Registered(documents) => {
                let wanted = if request.query.is_empty() { named } else { Some(hash(&request.query)) };
                let text = wanted.and_then(|hash| documents.get(&hash)).ok_or_else(|| {
                    refused("only registered documents are answered, and this is none", Code::DocumentNotRegistered)
                })?;
                request.query.clone_from(text);
                Ok(())
            }
            Self::Told(told) => {
                let Some(named) = named else { return Ok(()) };
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                if request.query.is_empty() {
                    // The words that clients look for.
                    let unknown = || refused("PersistedQueryNotFound", Code::PersistedQueryNotFound);
                    request.query.clone_from(told.documents.get(&named).ok_or_else(unknown)?);
                } else if hash(&request.query) != named {
                    return Err(refused("sha256Hash is not the hash of the query", Code::BadUserInput));
                } else if request.query.len() <= LONGEST {
                    told.keep(named, &request.query);
                }
                Ok(())
            }
        }
    }
}

impl Told {
    fn keep(&mut self, hash: Hash, text: &str) {
        if self.documents.put(hash, text.to_owned()).is_none() {
            self.bytes += text.len();
        }
        while self.bytes > KEPT
            && let Some((_, text)) = self.documents.pop_lru()
        {
            self.bytes -= text.len();
        }
    }
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

/// The hash that a request names.
fn named(request: &Request) -> Result<Option<Hash>, ServerError> {
    let wrong = |what| refused(what, Code::BadUserInput);
    let Some(extension) = request.extensions.get("persistedQuery") else {
        return if request.query.is_empty() { Err(wrong("the parameter \"query\" is missing")) } else { Ok(None) };
    };
    let Value::Object(extension) = extension else { return Err(wrong("persistedQuery must be an object")) };
    if extension.get("version") != Some(&Value::from(1)) {
        return Err(wrong("persistedQuery has version 1"));
    }
    let mut bytes = Hash::default();
    match extension.get("sha256Hash") {
        Some(Value::String(text)) if hex::decode_to_slice(text, &mut bytes).is_ok() => Ok(Some(bytes)),
        _ => Err(wrong("persistedQuery needs a sha256Hash of 64 hexadecimal digits")),
    }
}

fn refused(message: &str, code: Code) -> ServerError {
    with_code(ServerError::new(message, None), code)
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    fn request(query: &str, hash: Option<&str>) -> Request {
        let mut request = Request::new(query);
        if let Some(hash) = hash {
            request.extensions.insert("persistedQuery".to_owned(), value!({ "version": 1, "sha256Hash": hash }));
        }
        request
    }

    fn resolved(documents: &PersistedDocuments, query: &str, hash: Option<&str>) -> Result<String, String> {
        let mut request = request(query, hash);
        documents.resolve(&mut request).map(|()| request.query).map_err(|error| error.message)
    }

    #[test]
    fn what_a_client_told_is_known_by_its_hash() {
        let documents = PersistedDocuments::default();
        let hash = hex::encode(hash("{ a }"));
        assert_eq!(resolved(&documents, "", Some(&hash)), Err("PersistedQueryNotFound".to_owned()));
        assert_eq!(resolved(&documents, "{ a }", Some(&hash)).as_deref(), Ok("{ a }"));
        assert_eq!(resolved(&documents, "", Some(&hash)).as_deref(), Ok("{ a }"));
        assert_eq!(resolved(&documents, "{ b }", None).as_deref(), Ok("{ b }"));
        let lie = resolved(&documents, "{ b }", Some(&hash));
        assert_eq!(lie, Err("sha256Hash is not the hash of the query".to_owned()));
        assert_eq!(resolved(&documents, "", Some(&hash)).as_deref(), Ok("{ a }"), "nobody puts another one there");
        assert!(resolved(&documents, "", Some("abc")).is_err() && resolved(&documents, "", None).is_err());
    }

    #[test]
    fn what_clients_tell_takes_only_so_much() {
        let documents = PersistedDocuments::default();
        let text = |number: usize| format!("{{ a{number} {} }}", "b ".repeat(LONGEST / 4));
        for number in 0..200 {
            resolved(&documents, &text(number), Some(&hex::encode(hash(&text(number))))).unwrap();
        }
        let known = |number: usize| resolved(&documents, "", Some(&hex::encode(hash(&text(number))))).is_ok();
        assert!(known(199) && !known(0));
        let PersistedDocuments::Told(told) = &documents else { unreachable!() };
        assert!(told.lock().unwrap().bytes <= KEPT);
    }

    #[test]
    fn only_registered_documents_are_answered_where_there_are_such() {
        let documents = PersistedDocuments::registered(r#"{"any key": "{ a }"}"#).unwrap();
        let hashed = |text: &str| hex::encode(hash(text));
        assert_eq!(resolved(&documents, "{ a }", None).as_deref(), Ok("{ a }"));
        assert_eq!(resolved(&documents, "", Some(&hashed("{ a }"))).as_deref(), Ok("{ a }"));
        let refusal = Err("only registered documents are answered, and this is none".to_owned());
        for (query, hash) in [("{ b }", None), ("{ b }", Some(hashed("{ a }"))), ("", Some(hashed("{ b }")))] {
            assert_eq!(resolved(&documents, query, hash.as_deref()), refusal, "{query}");
        }
        assert!(PersistedDocuments::registered("{}").is_err() && PersistedDocuments::registered("[]").is_err());
    }
}

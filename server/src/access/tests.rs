//! Who is known, by keys and tokens of every kind, while their files change.

use std::{fs, path::PathBuf, time::SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use jsonwebtoken::{Algorithm, DecodingKey};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    config::{KeySource, TokensConfig},
    *,
};

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_secs() as i64 + seconds
}

/// Who signs tokens.
enum Signer {
    Hs256(Vec<u8>),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Signer {
    fn all() -> [Self; 3] {
        let random = SystemRandom::new();
        let es256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let eddsa = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        [
            Self::Hs256(vec![7; 32]),
            Self::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, es256.as_ref(), &random).unwrap()),
            Self::EdDsa(Ed25519KeyPair::from_pkcs8(eddsa.as_ref()).unwrap()),
        ]
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    fn jwk(&self) -> Value {
        let mut jwk = match self {
            Self::Hs256(secret) => json!({ "kty": "oct", "k": encoded(secret) }),
            Self::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y) })
            }
            Self::EdDsa(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key()) }),
        };
        jwk["kid"] = self.algorithm().into();
        jwk["use"] = "sig".into();
        jwk
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Hs256(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec(),
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with this header beside the usual one, and these claims.
    fn token_with(&self, header: Value, claims: &Value) -> String {
        let mut whole = json!({ "alg": self.algorithm(), "kid": self.algorithm() });
        whole.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        let message = format!("{}.{}", encoded(whole.to_string()), encoded(claims.to_string()));
        format!("{message}.{}", encoded(self.sign(message.as_bytes())))
    }

    fn token(&self, claims: &Value) -> String {
        self.token_with(json!({}), claims)
    }
}

fn claims(changes: Value) -> Value {
    let mut claims = json!({ "sub": "ana", "aud": "paystats", "exp": in_seconds(600), "roles": ["editor", "unknown"] });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

/// Files of keys, and access by them.
struct Bed {
    folder: TempDir,
    access: Access,
}

impl Bed {
    fn new(signers: &[Signer], keys: &[&ApiKey]) -> Self {
        Self::with(signers, keys, |_| ())
    }

    fn with(signers: &[Signer], keys: &[&ApiKey], change: impl FnOnce(&mut TokensConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bed = |name: &str| folder.path().join(name);
        let mut config =
            AccessConfig { quota: Quota { requests_per_second: 0, subscriptions: 0 }, ..Default::default() };
        if !keys.is_empty() {
            config.api_keys = Some(bed("keys"));
            fs::write(bed("keys"), lines(keys)).unwrap();
        }
        if !signers.is_empty() {
            fs::write(bed("jwks"), key_set(signers)).unwrap();
            let mut tokens = TokensConfig {
                keys: KeySource::File(bed("jwks")),
                audience: "paystats".to_owned(),
                issuer: None,
                roles_claim: vec!["roles".to_owned()],
            };
            change(&mut tokens);
            config.tokens = Some(tokens);
        }
        let access = Access::new(&config).unwrap();
        Self { folder, access }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn name(&self, token: &str) -> Result<String, Unknown> {
        self.access.caller(Some(token), None).await.map(|caller| caller.name().unwrap().to_owned())
    }
}

fn lines(keys: &[&ApiKey]) -> String {
    keys.iter().map(|key| format!("{}\n", key.line)).collect()
}

fn key_set(signers: &[Signer]) -> String {
    json!({ "keys": signers.iter().map(Signer::jwk).collect::<Vec<_>>() }).to_string()
}

fn key(name: &str, role: Role) -> ApiKey {
    ApiKey::generate(name, Roles::from_iter([role]), None).unwrap()
}

#[tokio::test]
async fn an_open_server_takes_everybody_for_anybody() {
    let access = Access::new(&AccessConfig::default()).unwrap();
    let caller = access.caller(None, None).await.unwrap();
    assert!(access.is_open() && caller.name().is_none() && caller.may(Right::Administer));
    assert!(access.until_void(&caller).now_or_never().is_none());
}

#[tokio::test]
async fn a_key_is_known_and_nothing_else_is() {
    let ana = key("ana", Role::Loader);
    let bed = Bed::new(&[], &[&ana]);
    let caller = bed.access.caller(Some(ana.key.expose()), None).await.unwrap();
    assert_eq!(caller.name(), Some("ana"));
    assert!(caller.may(Right::Load) && !caller.may(Right::Edit));
    assert_eq!(bed.access.caller(None, None).await.unwrap_err(), Unknown::Nothing);
    for other in ["", "paystats_", "abc", key("ana", Role::Admin).key.expose(), ana.line.split(' ').nth(2).unwrap()] {
        assert_eq!(bed.name(other).await, Err(Unknown::Invalid), "{other}");
    }
    let yesterday = time::OffsetDateTime::now_utc().date() - time::Duration::days(1);
    let old = ApiKey::generate("old", Roles::all(), Some(yesterday)).unwrap();
    let bed = Bed::new(&[], &[&old]);
    assert_eq!(bed.name(old.key.expose()).await, Err(Unknown::Expired));
}

#[tokio::test]
async fn a_key_that_is_taken_out_ends_what_is_under_way() {
    let (ana, ben) = (key("ana", Role::Reader), key("ben", Role::Reader));
    let bed = Bed::new(&[], &[&ana, &ben]);
    let caller = async |key: &ApiKey| bed.access.caller(Some(key.key.expose()), None).await.unwrap();
    let (of_ana, of_ben) = (caller(&ana).await, caller(&ben).await);
    let (mut ana_ends, mut ben_ends) =
        (Box::pin(bed.access.until_void(&of_ana)), Box::pin(bed.access.until_void(&of_ben)));
    assert!(ana_ends.as_mut().now_or_never().is_none() && ben_ends.as_mut().now_or_never().is_none());

    fs::write(bed.file("keys"), "a mistake").unwrap();
    bed.access.look().await;
    assert!(ana_ends.as_mut().now_or_never().is_none(), "a file that is wrong changes nothing");

    fs::write(bed.file("keys"), lines(&[&ana])).unwrap();
    bed.access.look().await;
    assert!(ana_ends.as_mut().now_or_never().is_none());
    ben_ends.await;
    assert_eq!(bed.name(ben.key.expose()).await, Err(Unknown::Invalid));
}

#[tokio::test]
async fn a_key_that_was_taken_out_before_anybody_looks_ends_what_is_under_way_too() {
    let (ana, ben) = (key("ana", Role::Reader), key("ben", Role::Reader));
    let bed = Bed::new(&[], &[&ana, &ben]);
    let of_ben = bed.access.caller(Some(ben.key.expose()), None).await.unwrap();
    fs::write(bed.file("keys"), lines(&[&ana])).unwrap();
    bed.access.look().await;
    assert!(bed.access.until_void(&of_ben).now_or_never().is_some());
}

#[tokio::test]
async fn a_token_of_every_algorithm_is_believed_and_a_changed_one_is_not() {
    let signers = Signer::all();
    let bed = Bed::new(&signers, &[]);
    for signer in &signers {
        let token = signer.token(&claims(json!({})));
        let caller = bed.access.caller(Some(&token), None).await.unwrap();
        assert_eq!(caller.name(), Some("ana"), "{}", signer.algorithm());
        assert!(caller.may(Right::Edit) && !caller.may(Right::Load));
        let (message, _) = token.rsplit_once('.').unwrap();
        let (header, _) = message.split_once('.').unwrap();
        let (_, signature) = token.rsplit_once('.').unwrap();
        let other = encoded(claims(json!({ "roles": ["admin"] })).to_string());
        for changed in [format!("{header}.{other}.{signature}"), format!("{message}."), message.to_owned()] {
            assert_eq!(bed.name(&changed).await, Err(Unknown::Invalid), "{changed}");
        }
    }
}

#[tokio::test]
async fn a_signature_by_rsa_is_believed() {
    // RFC 7515, appendix A.2.
    let key = DecodingKey::from_rsa_components(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs\
         D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV\
         MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "AQAB",
    )
    .unwrap();
    let message = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1\
         dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwu\
         sC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    signatures::install();
    let verified = |signature: &str| jsonwebtoken::crypto::verify(signature, message, &key, Algorithm::RS256).unwrap();
    assert!(verified(signature));
    assert!(!verified(&signature.replace("cC4h", "cC4i")));
}

#[tokio::test]
async fn a_token_does_not_choose_how_it_is_checked() {
    let signers = Signer::all();
    let bed = Bed::new(&signers, &[]);
    let [secret, pair, _] = &signers;
    let Signer::Es256(public) = pair else { unreachable!() };
    // The public key, which everybody knows, taken for a secret.
    let confused = Signer::Hs256(public.public_key().as_ref().to_vec());
    for token in [
        confused.token_with(json!({ "kid": "ES256" }), &claims(json!({}))),
        secret.token_with(json!({ "alg": "none" }), &claims(json!({}))),
        secret.token_with(json!({ "alg": "HS384" }), &claims(json!({}))),
        secret.token_with(json!({ "kid": "ES256" }), &claims(json!({}))),
        secret.token_with(json!({ "kid": "other" }), &claims(json!({}))),
        "a.b.c".to_owned(),
        "x".repeat(100_000),
    ] {
        assert_eq!(bed.name(&token).await, Err(Unknown::Invalid), "{}", &token[..token.len().min(60)]);
    }
}

#[tokio::test]
async fn a_token_is_for_us_and_for_now() {
    let signers = Signer::all();
    let bed = Bed::with(&signers, &[], |tokens| tokens.issuer = Some("https://id.example.org".to_owned()));
    let token = |changes: Value| {
        let mut all = json!({ "iss": "https://id.example.org" });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let mut claims = claims(all);
        // Null is left out.
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        signers[0].token(&claims)
    };
    for good in [
        json!({}),
        json!({ "aud": ["other", "paystats"] }),
        json!({ "exp": in_seconds(-30) }),
        json!({ "nbf": in_seconds(30) }),
    ] {
        assert_eq!(bed.name(&token(good.clone())).await.as_deref(), Ok("ana"), "{good}");
    }
    for bad in [
        json!({ "aud": "other" }),
        json!({ "aud": null }),
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": null }),
        json!({ "exp": in_seconds(-90) }),
        json!({ "exp": null }),
        json!({ "nbf": in_seconds(90) }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
    ] {
        assert_eq!(bed.name(&token(bad.clone())).await, Err(Unknown::Invalid), "{bad}");
    }
}

#[tokio::test]
async fn roles_are_found_where_the_issuer_puts_them() {
    let signers = Signer::all();
    let may_edit = async |way: &[&str], changes: Value| {
        let way = way.iter().map(|name| (*name).to_owned()).collect();
        let bed = Bed::with(&signers, &[], |tokens| tokens.roles_claim = way);
        let token = signers[0].token(&claims(changes));
        bed.access.caller(Some(&token), None).await.unwrap().may(Right::Edit)
    };
    assert!(may_edit(&["realm_access", "roles"], json!({ "realm_access": { "roles": ["editor"] } })).await);
    assert!(may_edit(&["scope"], json!({ "scope": "openid editor" })).await);
    assert!(!may_edit(&["scope"], json!({ "scope": 7 })).await);
    assert!(!may_edit(&["roles"], json!({ "roles": ["root", "EDITOR"] })).await);
    assert!(!may_edit(&["roles", "inner"], json!({})).await);
}

#[tokio::test]
async fn keys_of_a_set_come_and_go() {
    let [old, new, _] = Signer::all();
    let bed = Bed::new(std::slice::from_ref(&old), &[]);
    let (by_old, by_new) = (old.token(&claims(json!({}))), new.token(&claims(json!({}))));
    let caller = bed.access.caller(Some(&by_old), None).await.unwrap();
    assert_eq!(bed.name(&by_new).await, Err(Unknown::Invalid));
    let mut ends = Box::pin(bed.access.until_void(&caller));
    assert!(ends.as_mut().now_or_never().is_none());
    fs::write(bed.file("jwks"), key_set(std::slice::from_ref(&new))).unwrap();
    bed.access.look().await;
    ends.await;
    assert_eq!(bed.name(&by_old).await, Err(Unknown::Invalid));
    assert_eq!(bed.name(&by_new).await.as_deref(), Ok("ana"));
}

#[tokio::test]
async fn a_set_without_a_key_for_us_is_refused_and_tells_no_secret() {
    for (set, reason) in [
        ("{", "no JSON Web Key Set"),
        (r#"{"keys": []}"#, "no key"),
        (r#"{"keys": [{"kty": "oct", "k": "aHVudGVyMg"}]}"#, "no key"),
        (r#"{"keys": [{"kty": "oct", "k": {"hunter2": 1}}]}"#, "no"),
    ] {
        let error = key_set::parse(set, true).unwrap_err();
        assert!(error.contains(reason) && !error.contains("hunter2"), "{error}");
    }
    let secret = key_set(&[Signer::Hs256(vec![1; 32])]);
    assert!(key_set::parse(&secret, true).is_ok() && key_set::parse(&secret, false).is_err());
}

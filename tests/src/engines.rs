//! The engines that all tests of a process share: given by the environment, else started once.

use std::{
    fs,
    path::PathBuf,
    process,
    sync::{OnceLock, mpsc},
    thread,
};

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};
use paystats_core::config::optional;
use paystats_standalone::engines::LocalEngines;

/// mongod's cache in GB.
const CACHE_GB: f64 = 0.5;
/// How the folders of engines that were started here are named; the number of the test process follows.
const FOLDER: &str = "paystats-tests-";

/// Where engines answer.
#[derive(Clone, Debug)]
pub struct EngineUrls {
    /// MongoDB connection string.
    pub mongodb_uri: String,
    /// NATS URL.
    pub nats_url: String,
}

impl EngineUrls {
    /// The engines of this process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<EngineUrls> = OnceLock::new();
        SHARED.get_or_init(|| match (optional("PAYSTATS_TEST_MONGODB_URI"), optional("PAYSTATS_TEST_NATS_URL")) {
            (Some(mongodb_uri), Some(nats_url)) => Self { mongodb_uri, nats_url },
            (None, None) => start(),
            _ => panic!("set both PAYSTATS_TEST_MONGODB_URI and PAYSTATS_TEST_NATS_URL, or neither"),
        })
    }
}

/// Starts engines that live as long as this process. They get a thread with a runtime of its own, because a test's runtime ends with the test.
fn start() -> EngineUrls {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let engines = LocalEngines::start(&fresh_folder(), CACHE_GB).await.unwrap();
            let urls = EngineUrls { mongodb_uri: engines.mongod.uri(), nats_url: engines.nats_server.url() };
            tell.send(urls).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("the engines start")
}

/// A folder for this process. Nothing runs when a test process ends, so the folders of processes that are gone are removed here.
fn fresh_folder() -> PathBuf {
    let all = std::env::temp_dir();
    for entry in fs::read_dir(&all).unwrap().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.parse().ok());
        if owner.is_some_and(|owner| kill(Pid::from_raw(owner), None) == Err(Errno::ESRCH)) {
            // Another test process may be at it too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    all.join(format!("{FOLDER}{}", process::id()))
}

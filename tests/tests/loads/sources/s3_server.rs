//! An S3 server in this process, over a folder: a bucket is a folder in it, an object a file.

use std::{fs, net::SocketAddr, path::Path};

use hyper_util::{rt::TokioIo, server::conn::auto, service::TowerToHyperService};
use paystats_core::datalake::StoreOptions;
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

const ACCESS_KEY: &str = "tester";
const SECRET_KEY: &str = "not-so-secret";

/// Dropped, it is gone.
pub struct S3Server {
    folder: TempDir,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl S3Server {
    pub async fn start(bucket: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(bucket)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                tokio::spawn(async move {
                    let builder = auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                    // Clients hang up when they have what they want.
                    let _ = builder.serve_connection(TokioIo::new(connection), service).await;
                });
            }
        });
        Self { folder, address, task }
    }

    /// How programs reach it, by the names of variables.
    pub fn options(&self) -> StoreOptions {
        self.options_with_secret(SECRET_KEY)
    }

    pub fn options_with_secret(&self, secret: &str) -> StoreOptions {
        let endpoint = format!("http://{}", self.address);
        [
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "eu-south-2"),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect()
    }

    /// The names of all files that it has, parts of uploads included.
    pub fn files(&self) -> Vec<String> {
        let mut folders = vec![self.folder.path().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => files.push(entry.file_name().into_string().unwrap()),
                }
            }
        }
        files
    }

    /// Writes an object.
    pub fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path: &Path = &self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

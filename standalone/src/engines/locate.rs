//! Where the engines' programs are: in the folder that `PAYSTATS_ENGINES_DIR` names, else on PATH, else in the folder `.engines` that
//! `make engines` fills, looked for beside the current folder and this program, and in the folders above them.

use std::{
    env,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use paystats_core::config::optional;

/// The folder's name, git-ignored at the root of the checkout.
const FOLDER: &str = ".engines";

/// The program `mongod`.
pub fn mongod() -> Result<PathBuf> {
    Places::of_this_process().find("mongod", "fiftyone/db/bin/mongod")
}

/// The program `nats-server`.
pub fn nats_server() -> Result<PathBuf> {
    Places::of_this_process().find("nats-server", "bin/nats-server")
}

struct Places {
    /// Folders laid out as `make engines` does it: the one that was asked for.
    chosen: Option<PathBuf>,
    /// Folders on PATH.
    path: Vec<PathBuf>,
    /// Folders in which `.engines` may be.
    around: Vec<PathBuf>,
}

impl Places {
    fn of_this_process() -> Self {
        let here = env::current_dir().ok();
        let program = env::current_exe().ok();
        Self {
            chosen: optional("PAYSTATS_ENGINES_DIR").map(PathBuf::from),
            path: env::var_os("PATH").iter().flat_map(env::split_paths).collect(),
            around: [here, program].iter().flatten().flat_map(|start| start.ancestors()).map(Path::to_owned).collect(),
        }
    }

    /// `installed_as`: where the wheel puts the program inside the folder.
    fn find(&self, name: &str, installed_as: &str) -> Result<PathBuf> {
        let chosen = self.chosen.iter().map(|folder| folder.join(installed_as));
        let on_path = self.path.iter().map(|folder| folder.join(name));
        let around = self.around.iter().map(|folder| folder.join(FOLDER).join(installed_as));
        match chosen.chain(on_path).chain(around).find(|file| is_program(file)) {
            Some(program) => Ok(program),
            None => bail!(
                "{name} was not found on PATH, nor in a folder {FOLDER}: run `make engines`, or put {name} on PATH, or set \
                 PAYSTATS_ENGINES_DIR"
            ),
        }
    }
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn put(file: PathBuf, mode: u32) -> PathBuf {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn the_chosen_folder_wins_over_path_and_path_over_the_folder_around() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let around = put(root.join("checkout/.engines/bin/nats-server"), 0o755);
        let mut places = Places {
            chosen: None,
            path: vec![],
            around: root.join("checkout/standalone").ancestors().map(Path::to_owned).collect(),
        };
        assert_eq!(places.find("nats-server", "bin/nats-server").unwrap(), around);

        let on_path = put(root.join("usr-bin/nats-server"), 0o755);
        places.path = vec![root.join("nowhere"), root.join("usr-bin")];
        assert_eq!(places.find("nats-server", "bin/nats-server").unwrap(), on_path);

        let chosen = put(root.join("chosen/bin/nats-server"), 0o755);
        places.chosen = Some(root.join("chosen"));
        assert_eq!(places.find("nats-server", "bin/nats-server").unwrap(), chosen);
    }

    #[test]
    fn a_missing_engine_says_what_to_run() {
        let root = tempfile::tempdir().unwrap();
        put(root.path().join("mongod"), 0o644);
        let places = Places { chosen: None, path: vec![root.path().to_owned()], around: vec![] };
        let error = places.find("mongod", "fiftyone/db/bin/mongod").unwrap_err().to_string();
        assert!(error.contains("mongod was not found") && error.contains("make engines"), "{error}");
    }
}

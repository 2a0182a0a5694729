"""What the Rust sources say: variables, paths, streams. Read as text, so the checks need no compiler."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = ("core", "server", "loader")


@cache
def source(member):
    """All Rust of one member, without its unit tests."""
    files = sorted((ROOT / member / "src").rglob("*.rs"))
    return "\n".join(file.read_text().split("#[cfg(test)]\nmod tests")[0] for file in files if file.name != "tests.rs")


def literals(pattern):
    """The string literals of all members that match as a whole."""
    return {found for member in MEMBERS for found in re.findall(f'"({pattern})"', source(member))}


def variables():
    """The variables that the programs read, those with `_FILE` included."""
    plain = literals("PAYSTATS_[A-Z_]+")
    return plain | {f"{name}_FILE" for name in secrets()}


def secrets():
    """Those that may be given as a file."""
    return set(re.findall(r'\b(?:required_)?secret\("(PAYSTATS_[A-Z_]+)"\)', source("core") + source("server")))


def required():
    """Those that both programs do not start without."""
    return set(re.findall(r'\brequired(?:_secret)?\("(PAYSTATS_[A-Z_]+)"\)', source("core")))


def is_store_option(name):
    """Whether it is one of the variables that the client of object stores reads."""
    return name.startswith(("AWS_", "GOOGLE_", "AZURE_"))


def work_stream(prefix):
    """The stream of work of an installation, by the code that makes it."""
    suffix = re.search(r'fn stream_name.*?format!\("\{\}(-\w+)"', (ROOT / "core/src/bus/work.rs").read_text(), re.DOTALL)
    return prefix + suffix.group(1)


def work_consumers():
    """The durable consumers of that stream."""
    body = re.search(r"fn consumer\(self\).*?\n    }\n", (ROOT / "core/src/bus/work.rs").read_text(), re.DOTALL)
    return set(re.findall(r'=> "(\w+)"', body.group(0)))


def version():
    """The version of the workspace."""
    return re.search(r'(?m)^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text()).group(1)


def image_user():
    """The user that the images run as."""
    return int(re.search(r"(?m)^USER ([0-9]+):", (ROOT / "deploy/Dockerfile").read_text()).group(1))

"""Holds deploy/observability against the code, docker-compose.yml and itself; promtool checks and tests the rules."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

import rust

FOLDER = rust.ROOT / "deploy/observability"
# Labels that Prometheus and its alerts bring along.
BROUGHT = {"job", "instance", "le", "alertname", "alertstate"}


def told(text):
    """The metrics in what programs tell: for each name its labels, with their values."""
    metrics = {}
    for name, _, labels in re.findall(r"(?m)^(paystats_\w+)(\{(.*)\})? ", text):
        of_metric = metrics.setdefault(name, {})
        for label, value in re.findall(r'(\w+)="([^"]*)"', labels):
            of_metric.setdefault(label, set()).add(value)
    return metrics


def check(told):
    """What is wrong, a line each. `told`: the metrics that the programs tell, or None where nobody asked them."""
    compose = yaml.safe_load((rust.ROOT / "docker-compose.yml").read_text())
    dashboards = {}
    for file in sorted((FOLDER / "grafana/dashboards").glob("*.json")):
        try:
            dashboards[file.name] = json.loads(file.read_text())
        except json.JSONDecodeError as error:
            yield f"{file.name}: {error}"
    yield from _alerts(_read("alerts.yml"), _read("alerts.test.yml"), told)
    for name, dashboard in dashboards.items():
        for problem in _dashboard(dashboard, told):
            yield f"{name}: {problem}"
    if len({dashboard["uid"] for dashboard in dashboards.values()}) != len(dashboards):
        yield "two dashboards have the same uid"
    yield from _scraping(_read("prometheus.yml"), compose)
    yield from _services(compose)
    yield from _promtool(dashboards)


def _read(name):
    return yaml.safe_load((FOLDER / name).read_text())


def _alerts(rules, tests, told):
    tested = {case["alertname"] for test in tests["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}
    silent = {case["alertname"] for test in tests["tests"] for case in test["alert_rule_test"] if not case["exp_alerts"]}
    anchors = _anchors()
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        name = rule["alert"]
        if set(rule["annotations"]) != {"summary", "description", "runbook_url"}:
            yield f"{name} needs summary, description and runbook_url"
        if rule["annotations"].get("runbook_url") != f"README.md#{name.lower()}":
            yield f"{name}: runbook_url is not README.md#{name.lower()}"
        if name.lower() not in anchors:
            yield f"README.md has no heading {name}"
        if rule["labels"].get("severity") not in ("warning", "critical"):
            yield f"{name} has no severity"
        if name not in tested:
            yield f"{name}: no test makes it fire"
        if rule.get("for") and name not in silent:
            yield f"{name}: no test keeps it silent"
        labels = set()
        for problem in _expression(rule["expr"], told, labels):
            yield f"{name}: {problem}"
        named = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        if told and not named <= labels | BROUGHT:
            yield f"{name}: its text names {named - labels}, which its metrics do not have"
    known = {rule["alert"].lower() for group in rules["groups"] for rule in group["rules"]}
    for anchor in anchors:
        if anchor.startswith("paystats") and anchor != "paystats" and anchor not in known:
            yield f"README.md has a heading {anchor}, and there is no such alert"


def _anchors():
    headings = re.findall(r"(?m)^#+ (.*)$", (rust.ROOT / "README.md").read_text())
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _expression(expression, told, labels):
    """What an expression names that there is not. `labels` gets those of its metrics."""
    for name, matchers in re.findall(r"\b(paystats_\w+)(?:\{([^}]*)\})?", expression):
        for job in re.findall(r'job\s*=~?\s*"([^"]*)"', matchers):
            yield from (f"there is no job {name}" for name in set(job.split("|")) - _jobs())
        if told is None:
            continue
        if name not in told:
            yield f"no program has a metric {name}"
            continue
        labels.update(told[name])
        for label, regex, value in re.findall(r'(\w+)\s*(?:!?=)(~?)\s*"([^"]*)"', matchers):
            if label in BROUGHT:
                continue
            if label not in told[name]:
                yield f"{name} has no label {label}"
            for word in _words(regex, value):
                # Codes of errors, for one, are not told before there is one.
                if word not in told[name].get(label, ()) and not rust.literals(re.escape(word)):
                    yield f"{name} is never told with {label}={word}"
    for listed in re.findall(r"\b(?:by|without|on|ignoring) \(([^)]*)\)", expression):
        for label in filter(None, re.split(r",\s*", listed)):
            if told and label not in labels | BROUGHT:
                yield f"no metric of it has a label {label}"


def _words(regex, value):
    """The values that a matcher means, where it spells them out."""
    words = value.split("|") if regex else [value]
    return [word for word in words if re.fullmatch("[a-zA-Z_/{}.]+", word) and not (regex and "." in word)]


def _jobs():
    return {job["job_name"] for job in _read("prometheus.yml")["scrape_configs"]}


def _dashboard(dashboard, told):
    sources = _read("grafana/provisioning/datasources/datasources.yml")["datasources"]
    known = {source["uid"]: source["type"] for source in sources}
    ids, taken = set(), set()
    for panel in dashboard["panels"]:
        title = panel["title"]
        if panel["id"] in ids:
            yield f"{title}: its id is another panel's"
        ids.add(panel["id"])
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        if cells & taken or place["x"] + place["w"] > 24:
            yield f"{title} lies over another panel, or beyond the edge"
        taken |= cells
        if panel["type"] == "row":
            continue
        if not panel.get("description"):
            yield f"{title} has no description"
        for target in panel["targets"]:
            source = target["datasource"]
            if known.get(source["uid"]) != source["type"] or panel["datasource"] != source:
                yield f"{title} asks {source}, which is not provisioned"
            if source["type"] == "prometheus":
                labels = set()
                for problem in _expression(_plain(target["expr"]), told, labels):
                    yield f"{title}: {problem}"
                named = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
                if told and not named <= labels | BROUGHT:
                    yield f"{title}: its legend names {named - labels}"


def _plain(expression):
    """An expression of a dashboard with values for its variables."""
    return expression.replace("$__rate_interval", "5m").replace("$entity", "PAYSTATS|POSTAL_CODES")


def _scraping(config, compose):
    ports = {"server": "PAYSTATS_HTTP_ADDR", "loader": "PAYSTATS_LOADER_HTTP_ADDR"}
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    if jobs.keys() != {f"paystats-{program}" for program in ports}:
        yield f"prometheus.yml reads {sorted(jobs)}, not one job for each program"
    for name, job in jobs.items():
        program = name.removeprefix("paystats-")
        address = compose["services"].get(program, {}).get("environment", {}).get(ports.get(program), "")
        asked = job["dns_sd_configs"][0]
        if asked["names"] != [program] or not address.endswith(f":{asked['port']}"):
            yield f"{name} asks {asked['names']} at {asked['port']}, and {program} listens on {address}"
        # The loader's port is open to nobody else, and asks for no key.
        if ("authorization" in job) != (program == "server"):
            yield f"{name}: only the server asks for a key"
    if not rust.literals("/metrics"):
        yield "no program serves /metrics"


def _services(compose):
    services = {name: service for name, service in compose["services"].items() if "profiles" in service}
    if services.keys() != {"prometheus", "loki", "alloy", "grafana"}:
        yield f"the profile observability has {sorted(services)}"
    for name, service in services.items():
        if service["profiles"] != ["observability"] or service.get("read_only") is not True or not service.get("healthcheck"):
            yield f"{name} belongs to the profile observability, is read-only and tells its health"
        for volume in service["volumes"]:
            source, target = volume.split(":")[:2]
            if source.startswith("./") and (not (rust.ROOT / source).exists() or not volume.endswith(":ro")):
                yield f"{name} mounts {source}, which is not there, or not read-only"
        for secret in service.get("secrets", []):
            if secret not in compose["secrets"]:
                yield f"{name} asks for a secret {secret}, which there is not"
            elif f"/run/secrets/{secret}" not in json.dumps(service) + (FOLDER / "prometheus.yml").read_text():
                yield f"{name} does not read its secret {secret}"
    for program in ("server", "loader"):
        if "json" not in compose["services"][program]["environment"].get("PAYSTATS_LOG_FORMAT", ""):
            yield f"{program} does not log JSON, and Alloy reads that"
    for source in _read("grafana/provisioning/datasources/datasources.yml")["datasources"]:
        host = re.fullmatch("http://([a-z]+):[0-9]+", source["url"])
        if host is None or host.group(1) not in services:
            yield f"Grafana looks for {source['name']} at {source['url']}"
    path = _read("grafana/provisioning/dashboards/dashboards.yml")["providers"][0]["options"]["path"]
    if f"./deploy/observability/grafana/dashboards:{path}:ro" not in services["grafana"]["volumes"]:
        yield f"Grafana looks for dashboards in {path}, and they are not mounted there"
    yield from _alloy(compose)


def _alloy(compose):
    """There is no Alloy to ask, so this sees only what most often goes wrong."""
    text = re.sub(r"(?m)^\s*//.*$", "", (FOLDER / "config.alloy").read_text())
    plain = re.sub(r'"(?:\\.|[^"\\])*"', "", text)
    if any(plain.count(opening) != plain.count(closing) for opening, closing in ("{}", "[]", "()")) or '"' in plain:
        yield "config.alloy: brackets or quotes do not match"
    components = set(re.findall(r'(?m)^([\w.]+) "(\w+)" \{', text))
    for kind, name in re.findall(r"((?:discovery|loki)\.[\w.]+?)\.(\w+)\.(?:targets|output|receiver)", plain):
        if (kind, name) not in components:
            yield f"config.alloy names {kind}.{name}, which there is not"
    if f"com.docker.compose.project={compose['name']}" not in text:
        yield f"config.alloy does not read the project {compose['name']}"
    if "http://loki:3100/" not in text or _read("loki.yml")["server"]["http_listen_port"] != 3100:
        yield "config.alloy does not write to where Loki listens"


def _promtool(dashboards):
    if not shutil.which("promtool"):
        missing = "promtool is not here (Debian: prometheus): alerts and dashboards are not parsed, and no alert is tested"
        if os.environ.get("CI") == "true":
            yield missing
        else:
            print(f"lint: {missing}")
        return
    expressions = [
        {"record": "dashboards", "expr": _plain(target["expr"])}
        for dashboard in dashboards.values()
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
        if target["datasource"]["type"] == "prometheus"
    ]
    # Each needs a group of its own: rules of one group may not be the same twice.
    groups = [{"name": str(number), "rules": [rule]} for number, rule in enumerate(expressions)]
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "dashboards.yml"
        rules.write_text(yaml.safe_dump({"groups": groups}))
        for arguments in (
            ["check", "rules", "alerts.yml"],
            ["check", "rules", str(rules)],
            # Its files are where the containers have them, so nothing but the syntax.
            ["check", "config", "--syntax-only", "prometheus.yml"],
            ["test", "rules", "alerts.test.yml"],
        ):
            done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                yield f"promtool {' '.join(arguments[:2])}: {(done.stdout + done.stderr).strip()}"

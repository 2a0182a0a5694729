"""Holds deploy/kubernetes against Kubernetes's schemas, against the code, and against itself."""

import posixpath

import jsonschema
import kubernetes_validate

import kustomize
import rust
from crds import SCHEMAS

FOLDER = rust.ROOT / "deploy/kubernetes"
# The oldest that the manifests are written for, and the newest that the schemas know.
VERSIONS = ("1.29", "1.37")
PROBES = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
ADDRESSES = {"server": "PAYSTATS_HTTP_ADDR", "loader": "PAYSTATS_LOADER_HTTP_ADDR"}


def check():
    """What is wrong, a line each."""
    for overlay in sorted(path for path in (FOLDER / "overlays").iterdir() if path.is_dir()):
        try:
            objects = kustomize.render(overlay)
        except kustomize.Unknown as unknown:
            yield f"{overlay.name}: {unknown}"
            continue
        for problem in _check_overlay(objects):
            yield f"{overlay.name}: {problem}"
        for problem in kustomize.compare(overlay, objects) or []:
            yield f"{overlay.name}: {problem}"


def _check_overlay(objects):
    yield from _schemas(objects)
    namespaces = {item["metadata"].get("namespace") for item in objects.values() if item["kind"] != "Namespace"}
    if namespaces != {name for kind, name in objects if kind == "Namespace"}:
        yield f"not all objects are in the one namespace that is made: {namespaces}"
    namespace = next((item for (kind, _), item in objects.items() if kind == "Namespace"), {"metadata": {}})
    if namespace["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "the namespace does not refuse pods with more rights"
    if any(kind == "Secret" for kind, _ in objects):
        yield "a secret stands in a manifest"
    for program in ADDRESSES:
        deployment = objects.get(("Deployment", f"paystats-{program}"))
        if deployment is None:
            yield f"there is no Deployment paystats-{program}"
        else:
            for problem in _check_program(program, deployment, objects):
                yield f"paystats-{program}: {problem}"
    readme = (rust.ROOT / "README.md").read_text()
    for name in sorted(_secrets(list(objects.values()))):
        if f"`{name}`" not in readme and f" {name} " not in readme:
            yield f"README.md does not tell how the secret {name} is made"
    yield from _selectors(objects)
    yield from _scaling(objects)
    yield from _monitors(objects)


def _schemas(objects):
    for (kind, name), item in objects.items():
        schema = SCHEMAS.get((item["apiVersion"], kind))
        try:
            if schema is not None:
                jsonschema.validate(item, schema)
                continue
            for version in VERSIONS:
                kubernetes_validate.validate(item, version, strict=True)
        except (kubernetes_validate.ValidationError, jsonschema.ValidationError) as error:
            path = ".".join(map(str, error.absolute_path))
            yield f"{kind} {name}: {path}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{kind} {name}: no schema knows {item['apiVersion']}"


def _check_program(program, deployment, objects):
    template = deployment["spec"]["template"]
    pod = template["spec"]
    if len(pod["containers"]) != 1:
        yield "it has more than one container"
    container = pod["containers"][0]
    if "command" in container or "args" in container:
        yield "the image's entry point is the command"
    if container["image"].rpartition("/")[2] != f"paystats-{program}:{rust.version()}":
        yield f"{container['image']} is not paystats-{program} of version {rust.version()}"
    yield from _rights(pod, container)
    yield from _environment(program, pod, container, objects)
    yield from _ports(program, template, container, objects)


def _secrets(value):
    """The names of the secrets that objects need."""
    if isinstance(value, list):
        return {name for item in value for name in _secrets(item)}
    if not isinstance(value, dict):
        return set()
    own = {value[kind]["name"] for kind in ("secretKeyRef", "secretRef", "credentials") if kind in value}
    own |= {value["secretName"]} if "secretName" in value else set()
    return own | {name for item in value.values() for name in _secrets(item)}


def _rights(pod, container):
    user = pod["securityContext"]
    expected = {
        "runAsNonRoot": True,
        "runAsUser": rust.image_user(),
        "runAsGroup": rust.image_user(),
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for field, value in expected.items():
        if user.get(field) != value:
            yield f"securityContext.{field} is not {value}"
    if container["securityContext"] != {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }:
        yield "the container may do more than it needs"
    if pod.get("automountServiceAccountToken") is not False:
        yield "a token of the Kubernetes API is mounted"
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= resources.get("requests", {}).keys() or "memory" not in resources.get("limits", {}):
        yield "requests of CPU and memory and a limit of memory are needed"
    if not {name for part in resources.values() for name in part} <= {"cpu", "memory"}:
        yield f"resources name something else than CPU and memory: {resources}"


def _environment(program, pod, container, objects):
    values = {}
    for source in container.get("envFrom", []):
        config_map = objects.get(("ConfigMap", source.get("configMapRef", {}).get("name")))
        if config_map is None:
            yield f"envFrom {source} is not there"
        else:
            values |= config_map["data"]
    values |= {variable["name"]: variable.get("value") for variable in container["env"]}
    known = rust.variables()
    for name in values:
        if name not in known and not rust.is_store_option(name):
            yield f"{name} is set, and no program reads it"
        if name in rust.secrets():
            yield f"{name} may hold a password: {name}_FILE names a file"
        if rust.is_store_option(name) and "KEY" in name and values[name] is not None:
            yield f"{name} is written out"
    for name in rust.required():
        if not ({name, f"{name}_FILE"} & values.keys()):
            yield f"{name} is required and not set"
    if program == "server" and not {"PAYSTATS_API_KEYS", "PAYSTATS_JWKS"} & values.keys():
        yield "neither PAYSTATS_API_KEYS nor PAYSTATS_JWKS is set: it does not start where others can reach it"
    yield from _files(values, pod, container)


def _files(values, pod, container):
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for path, mount in mounts.items():
        if mount["name"] not in volumes:
            yield f"{path} is mounted from {mount['name']}, which is no volume"
        elif "secret" in volumes[mount["name"]] and (mount.get("readOnly") is not True or "subPath" in mount):
            yield f"{path} is a secret: mount it whole and read-only"
    for name, value in values.items():
        is_file = name.endswith("_FILE") or name in ("PAYSTATS_API_KEYS", "PAYSTATS_NATS_CA")
        if is_file and posixpath.dirname(value) not in mounts:
            yield f"{name} names {value}, which no volume holds"
    lake = values.get("PAYSTATS_DATALAKE")
    if lake and lake.startswith("/") and lake not in mounts:
        yield f"the data lake {lake} is no volume"


def _ports(program, template, container, objects):
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    environment = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    address = environment.get(ADDRESSES[program], "")
    if list(ports.values()) != [int(address.rpartition(":")[2] or 0)] or not address.startswith("0.0.0.0:"):
        yield f"it listens on {address or 'nothing'}, and its ports are {ports}"
    known_paths = rust.literals("/[a-z]+")
    for probe, path in PROBES.items():
        asked = container.get(probe, {}).get("httpGet", {})
        if asked.get("path") != path or asked.get("port") not in ports or path not in known_paths:
            yield f"{probe} asks {asked}, not {path} at its own port"
    for (kind, name), item in objects.items():
        if kind != "Service" or not _selects(item["spec"]["selector"], template):
            continue
        for port in item["spec"]["ports"]:
            if port["targetPort"] not in ports:
                yield f"Service {name} sends to {port['targetPort']}, which is no port of it"
    allowed = {
        port["port"]
        for (kind, _), item in objects.items()
        if kind == "NetworkPolicy" and _selects(item["spec"]["podSelector"]["matchLabels"], template)
        for rule in item["spec"].get("ingress", [])
        for port in rule.get("ports", [])
    }
    if not set(ports.values()) <= allowed:
        yield f"no policy lets anybody in to {ports}"


def _selects(labels, template):
    return labels.items() <= template["metadata"]["labels"].items()


def _selectors(objects):
    templates = [item["spec"]["template"] for (kind, _), item in objects.items() if kind == "Deployment"]
    for (kind, name), item in objects.items():
        spec = item.get("spec", {})
        if kind == "Service":
            labels = spec["selector"]
        elif kind == "NetworkPolicy":
            labels = spec["podSelector"]["matchLabels"]
        elif kind in ("Deployment", "PodDisruptionBudget", "PodMonitor"):
            labels = spec["selector"]["matchLabels"]
        else:
            continue
        if not any(_selects(labels, template) for template in templates):
            yield f"{kind} {name} selects no pod"
    denied = objects.get(("NetworkPolicy", "paystats-default-deny"), {}).get("spec", {})
    labels = denied.get("podSelector", {}).get("matchLabels", {"nothing": ""})
    if set(denied) != {"podSelector", "policyTypes"} or not all(_selects(labels, template) for template in templates):
        yield "there is no policy that denies everything to all pods"


def _scaling(objects):
    for (kind, name), item in objects.items():
        if kind not in ("HorizontalPodAutoscaler", "ScaledObject"):
            continue
        target = objects.get(("Deployment", item["spec"]["scaleTargetRef"]["name"]))
        if target is None:
            yield f"{kind} {name} scales nothing"
        elif "replicas" in target["spec"]:
            yield f"{kind} {name} and the Deployment both say how many there are"
        if kind == "ScaledObject" and target is not None:
            yield from _queue(item, target, objects)


def _queue(scaled, loader, objects):
    """Whether it looks at the consumers that the loaders take work from, all of them."""
    container = loader["spec"]["template"]["spec"]["containers"][0]
    settings = next(item["data"] for (kind, _), item in objects.items() if kind == "ConfigMap")
    stream = rust.work_stream(settings["PAYSTATS_NATS_PREFIX"])
    triggers = {trigger["metadata"]["consumer"]: trigger["metadata"] for trigger in scaled["spec"]["triggers"]}
    if triggers.keys() != rust.work_consumers():
        yield f"the loader is woken by {sorted(triggers)}, and takes work from {sorted(rust.work_consumers())}"
    for consumer, metadata in triggers.items():
        if metadata["stream"] != stream:
            yield f"{consumer} is a consumer of {stream}, not of {metadata['stream']}"
    concurrency = next(v["value"] for v in container["env"] if v["name"] == "PAYSTATS_LOADER_CONCURRENCY")
    if triggers.get("chunks", {}).get("lagThreshold") != concurrency:
        yield f"lagThreshold of chunks is not what a loader works on at once ({concurrency})"


def _monitors(objects):
    for (kind, name), item in objects.items():
        if kind != "PodMonitor":
            continue
        for _, deployment in ((key, found) for key, found in objects.items() if key[0] == "Deployment"):
            template = deployment["spec"]["template"]
            if not _selects(item["spec"]["selector"]["matchLabels"], template):
                continue
            ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
            for endpoint in item["spec"]["podMetricsEndpoints"]:
                if endpoint["port"] not in ports:
                    yield f"PodMonitor {name} asks at {endpoint['port']}, which is no port"

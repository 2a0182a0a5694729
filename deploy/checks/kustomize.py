"""Renders a kustomization, as `kubectl kustomize` does: enough for the checks, which have to run where there is no kustomize.

It knows what deploy/kubernetes uses, and fails on every field that it does not know, so that it cannot leave something out in
silence:

- `resources` (files and folders), `components`, `namespace`, `images` (`newName`, `newTag`);
- `labels` with `pairs` and `includeTemplates`, never in selectors;
- `patches` by `path`, as strategic merges of one object each. Lists are merged where Kubernetes says by which key and LIST_KEYS
  lists them; any other list in a patch is refused;
- `configMapGenerator` with `literals` and `behavior: merge`, and the hash of the content behind the name.

It does not know generators of secrets, JSON patches, replacements, name prefixes, Helm charts, remote resources, `$patch`
directives, or which kinds have no namespace beyond CLUSTER_WIDE. `compare` holds it against the real one where that is installed.
"""

import copy
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import yaml

# Lists that a strategic merge patch merges, with the key that says which items are the same.
LIST_KEYS = {"containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath"}
CLUSTER_WIDE = {"Namespace"}
FIELDS = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "labels",
    "images",
    "patches",
    "configMapGenerator",
}


class Unknown(Exception):
    """A kustomization uses something that this renderer does not know."""


def render(folder):
    """The objects of the kustomization in a folder, by kind and name."""
    objects = _accumulate(Path(folder).resolve(), {})
    for key, item in list(objects.items()):
        if key[0] == "ConfigMap":
            item["metadata"]["name"] = f"{key[1]}-{_hash(item)}"
            for other in objects.values():
                _rename_config_map(other, key[1], item["metadata"]["name"])
    return {(item["kind"], item["metadata"]["name"]): item for item in objects.values()}


def compare(folder, rendered):
    """What the real kustomize says differently, a line each; `None` where there is none that is new enough."""
    command = _kustomize()
    if command is None:
        return None
    output = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    if output.returncode != 0:
        return [f"kustomize: {output.stderr.strip()}"]
    objects = yaml.safe_load_all(output.stdout)
    real = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    keys = sorted(real.keys() | rendered.keys())
    return [f"{'/'.join(key)} is rendered differently by kustomize" for key in keys if real.get(key) != rendered.get(key)]


def _kustomize():
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if not shutil.which("kubectl"):
        return None
    version = subprocess.run(["kubectl", "version", "--client", "-o", "json"], capture_output=True, text=True, check=False)
    # Before version 5 it had other fields; kubectl has it from 1.27 on.
    is_new = re.search(r'"kustomizeVersion":\s*"v([0-9]+)', version.stdout)
    return ["kubectl", "kustomize"] if is_new and int(is_new.group(1)) >= 5 else None


def _accumulate(folder, objects):
    kustomization = _load(folder / "kustomization.yaml")
    _known(folder, kustomization, FIELDS)
    for path in kustomization.get("resources", []):
        path = (folder / path).resolve()
        if path.is_dir():
            objects = _accumulate(path, objects)
            continue
        for item in yaml.safe_load_all(path.read_text()):
            _add(objects, item, path)
    for generator in kustomization.get("configMapGenerator", []):
        _generate(folder, objects, generator)
    for path in kustomization.get("components", []):
        objects = _accumulate((folder / path).resolve(), objects)
    for patch in kustomization.get("patches", []):
        _known(folder, patch, {"path"})
        wanted = _load(folder / patch["path"])
        key = (wanted["kind"], wanted["metadata"]["name"])
        if key not in objects:
            raise Unknown(f"{folder / patch['path']} patches {'/'.join(key)}, which is not there")
        objects[key] = _merge(objects[key], wanted, str(folder / patch["path"]))
    _label(folder, objects, kustomization.get("labels", []))
    _place(objects, kustomization.get("namespace"))
    _name_images(folder, objects, kustomization.get("images", []))
    return objects


def _load(path):
    if not path.is_file():
        raise Unknown(f"{path} is not there")
    return yaml.safe_load(path.read_text())


def _known(where, value, fields):
    unknown = value.keys() - fields
    if unknown:
        raise Unknown(f"{where}: the renderer does not know {', '.join(sorted(unknown))}")


def _add(objects, item, path):
    key = (item["kind"], item["metadata"]["name"])
    if key in objects:
        raise Unknown(f"{path}: there are two of {'/'.join(key)}")
    objects[key] = item


def _generate(folder, objects, generator):
    _known(folder, generator, {"name", "literals", "behavior"})
    data = dict(literal.split("=", 1) for literal in generator["literals"])
    key = ("ConfigMap", generator["name"])
    behavior = generator.get("behavior", "create")
    if behavior == "merge" and key in objects:
        objects[key]["data"].update(data)
    elif behavior == "create" and key not in objects:
        objects[key] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data}
    else:
        raise Unknown(f"{folder}: {generator['name']} with behavior {behavior}")


def _merge(old, new, path):
    if isinstance(old, dict) and isinstance(new, dict):
        merged = copy.deepcopy(old)
        for name, value in new.items():
            if name.startswith("$"):
                raise Unknown(f"{path}: the renderer does not know {name}")
            if isinstance(value, list) and name in LIST_KEYS:
                merged[name] = _merge_list(merged.get(name, []), value, LIST_KEYS[name], f"{path}: {name}")
            elif name in merged:
                merged[name] = _merge(merged[name], value, f"{path}: {name}")
            else:
                merged[name] = copy.deepcopy(value)
        return merged
    if isinstance(old, list) or isinstance(new, list) or isinstance(old, dict) or isinstance(new, dict) or new is None:
        raise Unknown(f"{path}: the renderer does not know how this is merged")
    return new


def _merge_list(old, new, key, path):
    """What the patch names comes first, in its order, as with kustomize."""
    known = {item[key]: item for item in old}
    named = {item[key] for item in new}
    merged = [_merge(known.get(item[key], {}), item, path) for item in new]
    return merged + [item for item in old if item[key] not in named]


def _label(folder, objects, labels):
    for label in labels:
        _known(folder, label, {"pairs", "includeTemplates"})
        for item in objects.values():
            item["metadata"].setdefault("labels", {}).update(label["pairs"])
            template = item.get("spec", {}).get("template")
            if template is not None and label.get("includeTemplates"):
                template["metadata"].setdefault("labels", {}).update(label["pairs"])


def _place(objects, namespace):
    if namespace is None:
        return
    for key, item in list(objects.items()):
        if key[0] == "Namespace":
            item["metadata"]["name"] = namespace
            objects[("Namespace", namespace)] = objects.pop(key)
        elif key[0] not in CLUSTER_WIDE:
            item["metadata"]["namespace"] = namespace


def _name_images(folder, objects, images):
    for image in images:
        _known(folder, image, {"name", "newName", "newTag"})
        for item in objects.values():
            for container in item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
                name, _, tag = container["image"].partition(":")
                if name == image["name"]:
                    tag = image.get("newTag", tag)
                    container["image"] = image.get("newName", name) + (f":{tag}" if tag else "")


def _rename_config_map(value, name, new_name):
    if isinstance(value, list):
        for item in value:
            _rename_config_map(item, name, new_name)
    elif isinstance(value, dict):
        for field, item in value.items():
            if field in ("configMapRef", "configMapKeyRef", "configMap") and item.get("name") == name:
                item["name"] = new_name
            _rename_config_map(item, name, new_name)


def _hash(config_map):
    """The first ten digits of the SHA-256 of the content, some of them as letters. The name has no part in it."""
    content = json.dumps({"data": config_map["data"], "kind": "ConfigMap", "name": ""}, sort_keys=True, separators=(",", ":"))
    if re.search("[<>&]", content) or not content.isascii():
        raise Unknown("the renderer does not know how kustomize writes <, > and & or letters beyond ASCII before it hashes them")
    digits = hashlib.sha256(content.encode()).hexdigest()[:10]
    return digits.translate(str.maketrans("013ae", "ghkmt"))

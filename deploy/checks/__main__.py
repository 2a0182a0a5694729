"""Checks deploy/ without Docker and without a cluster: manifests, rules and dashboards against schemas and against the code.

Run by deploy/lint, which has PyYAML and kubernetes-validate installed. Prints what is wrong, a line each. With a file, which holds what the
programs tell at /metrics, alerts and dashboards are held against that, too."""

import sys
from pathlib import Path

import kubernetes
import observability


def main(files):
    """Runs all checks; the exit code says whether there was anything."""
    told = observability.told("".join(Path(file).read_text() for file in files)) if files else None
    problems = [*kubernetes.check(), *observability.check(told)]
    for problem in problems:
        print(f"deploy: {problem}")
    return 1 if problems else 0


sys.exit(main(sys.argv[1:]))

"""Checks deploy/ without Docker and without a cluster: manifests, rules and dashboards against schemas and against the code.

Run by deploy/lint, which has PyYAML and kubernetes-validate installed. Prints what is wrong, a line each."""

import sys

import kubernetes
import observability
import rust


def pending():
    """What pending.txt lists and the code has."""
    there = rust.metrics() | rust.literals("PAYSTATS_[A-Z_]+")
    for name in sorted(rust.pending().keys() & there):
        yield f"deploy/checks/pending.txt lists {name}, and the code has it now: take it out there"


def main():
    """Runs all checks; the exit code says whether there was anything."""
    problems = [*pending(), *kubernetes.check(), *observability.check()]
    for problem in problems:
        print(f"deploy: {problem}")
    return 1 if problems else 0


sys.exit(main())

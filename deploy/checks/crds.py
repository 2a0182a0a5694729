"""Schemas of the objects that are not Kubernetes's own. They hold the fields that deploy/kubernetes uses, written from the
documentation of KEDA and of the Prometheus Operator, and refuse all others: a field that is added there has to be added here,
with a look at what it is."""

_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}
_DIGITS = {"type": "string", "pattern": "^[0-9]+$"}


def _object(required, **properties):
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _kind(spec):
    labels = {"type": "object", "additionalProperties": _TEXT}
    metadata = _object(["name", "namespace"], name=_TEXT, namespace=_TEXT, labels=labels)
    return _object(["apiVersion", "kind", "metadata", "spec"], apiVersion=_TEXT, kind=_TEXT, metadata=metadata, spec=spec)


_JETSTREAM = _object(
    ["natsServerMonitoringEndpoint", "account", "stream", "consumer"],
    natsServerMonitoringEndpoint={"type": "string", "pattern": "^[a-z0-9.-]+:[0-9]+$"},
    account=_TEXT,
    stream=_TEXT,
    consumer=_TEXT,
    lagThreshold=_DIGITS,
    activationLagThreshold=_DIGITS,
    useHttps={"enum": ["true", "false"]},
)

_ENDPOINT = _object(
    ["port", "path"],
    port=_TEXT,
    path=_TEXT,
    interval={"type": "string", "pattern": "^[0-9]+s$"},
    authorization=_object(["credentials"], type=_TEXT, credentials=_object(["name", "key"], name=_TEXT, key=_TEXT)),
)

SCHEMAS = {
    ("keda.sh/v1alpha1", "ScaledObject"): _kind(
        _object(
            ["scaleTargetRef", "triggers"],
            scaleTargetRef=_object(["name"], name=_TEXT),
            minReplicaCount=_COUNT,
            maxReplicaCount=_COUNT,
            pollingInterval=_COUNT,
            cooldownPeriod=_COUNT,
            triggers={
                "type": "array",
                "minItems": 1,
                "items": _object(["type", "metadata"], type={"const": "nats-jetstream"}, metadata=_JETSTREAM),
            },
        )
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): _kind(
        _object(
            ["selector", "podMetricsEndpoints"],
            jobLabel=_TEXT,
            selector=_object(["matchLabels"], matchLabels={"type": "object", "additionalProperties": _TEXT}),
            podMetricsEndpoints={"type": "array", "minItems": 1, "items": _ENDPOINT},
        )
    ),
}

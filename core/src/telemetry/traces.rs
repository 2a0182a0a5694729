//! Traces: what one request has set off, through the bus, the loaders and the database, as OpenTelemetry has it. They are made of the spans whose
//! target is [`TARGET`], which cost nothing where nobody collects; logs have spans of their own, around these.

use std::{collections::HashMap, sync::OnceLock, time::SystemTime};

use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator,
    trace::{Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use tracing::{Level, Span, Subscriber, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use crate::{
    config::{ConfigError, optional},
    tls,
};

/// The target of the spans that traces are made of.
pub const TARGET: &str = "paystats_trace";
/// The header by which a trace goes on in another process (W3C Trace Context), over HTTP and in messages of the bus.
pub const TRACEPARENT: &str = "traceparent";

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// The traces of this process. Dropped, it sends what it still holds.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// To where the environment says.
    pub(super) fn from_env(program: &'static str) -> Result<Self, ConfigError> {
        if optional(ENDPOINT).is_none() {
            return Ok(Self(None));
        }
        let invalid = |reason: String| ConfigError::Invalid { variable: ENDPOINT, reason };
        // The exporter has a thread of its own, without a runtime; and its client cannot be made within one.
        let client = || {
            reqwest::blocking::Client::builder()
                .tls_backend_preconfigured(tls::by_authorities_of_this_machine())
                .build()
                .map_err(|error| invalid(error.to_string()))
        };
        let client = std::thread::scope(|scope| scope.spawn(client).join()).expect("making a client does not panic")?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
        let exporter = exporter.map_err(|error| invalid(error.to_string()))?;
        let resource = match optional("OTEL_SERVICE_NAME") {
            Some(_) => Resource::builder(),
            None => Resource::builder().with_service_name(program),
        };
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
        // Set once: this function is called once.
        let _ = TRACER.set(provider.tracer("paystats"));
        Ok(Self(Some(provider)))
    }

    pub(super) fn layer<S>() -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = TRACER.get()?.clone();
        let ours = Targets::new().with_target(TARGET, Level::TRACE);
        Some(
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .with_filter(ours),
        )
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|provider| provider.shutdown()) {
            warn!(%error, "the last traces were not sent");
        }
    }
}

/// Whether this process keeps traces.
pub fn are_kept() -> bool {
    TRACER.get().is_some()
}

/// What is asked of another system, whose library says when it begins and when it ends, or does not, where nobody waits for the answer any more. So it is
/// no span before its end: what it is a part of would wait for it.
#[derive(Debug)]
pub struct Call {
    parent: Context,
    start: SystemTime,
    name: String,
    attributes: Vec<KeyValue>,
}

impl Call {
    /// Begins, as a part of what goes on here; `None` outside of any trace.
    pub fn begin(name: String, attributes: Vec<KeyValue>) -> Option<Self> {
        TRACER.get()?;
        let parent = Span::current().context();
        parent.span().span_context().is_valid().then(|| Self { parent, start: SystemTime::now(), name, attributes })
    }

    /// When it began.
    pub fn start(&self) -> SystemTime {
        self.start
    }

    /// Ends now.
    pub fn end(self, has_failed: bool) {
        let Some(tracer) = TRACER.get() else { return };
        let span = tracer.span_builder(self.name).with_kind(SpanKind::Client).with_start_time(self.start);
        let mut span = span.with_attributes(self.attributes).start_with_context(tracer, &self.parent);
        if has_failed {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// Makes a new span a part of the trace that the header [`TRACEPARENT`] tells of, if it does.
pub fn go_on(span: &Span, traceparent: Option<&str>) {
    if are_kept()
        && let Some(traceparent) = traceparent
    {
        let header = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
        // Fails for a span that nobody keeps, which has no place in a trace.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&header));
    }
}

/// What the header [`TRACEPARENT`] says so that what is done elsewhere is a part of `span`; `None` where there is no trace.
pub fn traceparent(span: &Span) -> Option<String> {
    if !are_kept() {
        return None;
    }
    let mut header = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut header);
    header.remove(TRACEPARENT)
}

/// The id of the trace that a span is a part of; `None` where there is no trace.
pub fn id_of(span: &Span) -> Option<String> {
    if !are_kept() {
        return None;
    }
    let context = span.context();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| span.trace_id().to_string())
}

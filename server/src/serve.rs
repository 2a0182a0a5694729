//! The server's life: answer at once, say "not ready" until the engines are there, serve, drain.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_graphql::ID;
use axum::{Router, extract::Request, response::Response};
use paystats_core::{
    bus::Bus,
    config::Config,
    datalake::Datalake,
    engines::{Engines, wait_for},
    store::Store,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{info, warn};

use crate::{
    ServerConfig,
    access::Access,
    actions::{ActionError, Actions, Deadline, RejectedRows, Uploads},
    graphql::{self, SchemaSettings},
    http::{
        Connections, GraphqlOptions, Peer, Types, dashboard_routes, graphql_routes, guarded, health_routes,
        page_routes, refusal, rejections_csv_routes, upload_routes,
    },
    memory::Memory,
    outbox,
    watch::LoadWatch,
};

/// What the routes look at once the engines are there.
struct Ready {
    bus: Bus,
    actions: Actions,
    graphql: Router,
}

/// Longest that a probe waits for an engine's answer.
const PROBE: Duration = Duration::from_secs(2);
/// Longest that requests in flight may take after the end was asked for.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves on `listener` until `shutdown` is cancelled, then closes subscriptions with a reason that makes clients connect
/// elsewhere, finishes requests in flight and returns. It answers at once; until MongoDB and NATS are there, `/readyz` and
/// what needs them say so.
pub async fn run(
    listener: TcpListener,
    config: Config,
    server: ServerConfig,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    run_on(Store::new(&config.store).await?, listener, config, server, shutdown).await
}

/// The same on a store that was made before.
pub async fn run_on(
    store: Store,
    listener: TcpListener,
    config: Config,
    server: ServerConfig,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let access = Access::new(&server.access)?;
    if access.is_open() {
        warn!("nobody is asked who they are: whoever reaches this address may do everything; see PAYSTATS_API_KEYS");
    }
    let persisted = Arc::new(server.documents.persisted()?);
    let ready: Arc<OnceLock<Ready>> = Arc::default();
    let sockets = TaskTracker::new();
    let deadline = Deadline(server.deadline);
    let datalake = Datalake::new(&config.datalake);
    let uploads = Uploads::new(datalake.clone(), server.upload_bytes);
    let background = {
        let options = GraphqlOptions {
            access: access.clone(),
            limits: server.documents.limits,
            persisted,
            shutdown: shutdown.clone(),
            sockets: sockets.clone(),
            ..Default::default()
        };
        let settings = SchemaSettings { deadline, documents: server.documents.clone() };
        start_when_possible(store.clone(), config, datalake, settings, options, ready.clone())
    };
    let routes = Router::new()
        .route_service(
            "/graphql",
            tower::service_fn({
                let ready = ready.clone();
                move |request| {
                    let ready = ready.clone();
                    async move { Ok::<_, std::convert::Infallible>(graphql_when_ready(&ready, request).await) }
                }
            }),
        )
        .merge(rejections_csv_routes(deadline, &access, {
            let ready = ready.clone();
            move |load| {
                let ready = ready.clone();
                async move { deadline.keep("try again", rejected_rows(&ready, load)).await? }
            }
        }))
        .merge(health_routes(move || missing(store.clone(), ready.clone())))
        .merge(dashboard_routes(&server, &uploads, &access))
        .merge(upload_routes(uploads, &access))
        .merge(page_routes(&server));
    let routes = guarded(routes, server.origins.clone(), access.is_open());

    info!(address = %listener.local_addr()?, pages = server.web_dir.is_some(), "server listens");
    let drained = {
        let shutdown = shutdown.clone();
        async move { shutdown.cancelled_owned().await }
    };
    let serving = axum::serve(Connections::of(listener), routes.into_make_service_with_connect_info::<Peer>());
    let serving = serving.with_graceful_shutdown(drained).into_future();
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving => served?,
        () = overdue => warn!("requests in flight were cut off"),
        () = background => unreachable!("the background work never ends"),
        () = access.keep_current() => unreachable!("keys are kept current until the end"),
    }
    sockets.close();
    sockets.wait().await;
    info!("server has stopped");
    Ok(())
}

/// Waits for the engines, opens the API, and then does what a server does beside answering.
async fn start_when_possible(
    store: Store,
    config: Config,
    datalake: Datalake,
    settings: SchemaSettings,
    options: GraphqlOptions,
    ready: Arc<OnceLock<Ready>>,
) {
    let engines = Engines::connect(store, &config).await;
    let memory = Arc::new(wait_for("the totals in memory", || Memory::build(engines.store.clone())).await);
    let actions = Actions {
        engines: engines.clone(),
        datalake,
        watch: LoadWatch::new(),
        memory: memory.clone(),
        maps: Arc::default(),
    };
    let schema = graphql::schema(actions.clone(), &settings);
    let types = Types::from_sdl(&schema.sdl()).expect("the schema writes itself as GraphQL");
    let prepare = Arc::new(graphql::prepare);
    let version = {
        let memory = memory.clone();
        Arc::new(move || Some(memory.unique_version()))
    };
    let (versioned, shared) = (graphql::VERSIONED, graphql::SHARED);
    let rights = graphql::right;
    let options = GraphqlOptions { types: Arc::new(types), prepare, rights, versioned, version, shared, ..options };
    let graphql = graphql_routes(schema, options);
    // Set once: this function is called once.
    let _ = ready.set(Ready { bus: engines.bus.clone(), actions: actions.clone(), graphql });
    info!("server is ready");
    tokio::join!(actions.watch.read(&engines, &memory), outbox::publish_forgotten(&actions), memory.follow());
}

async fn graphql_when_ready(ready: &OnceLock<Ready>, request: Request) -> Response {
    if let Some(ready) = ready.get() {
        return match ready.graphql.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
    }
    refusal(&starting())
}

/// The refused rows of the load with this id or number.
async fn rejected_rows(ready: &OnceLock<Ready>, load: String) -> Result<RejectedRows, ActionError> {
    let actions = &ready.get().ok_or_else(starting)?.actions;
    let id = graphql::find_load_id(actions, &ID(load)).await?;
    actions.rejected_rows(id).await
}

fn starting() -> ActionError {
    ActionError::unavailable("the server is starting: the database or the message bus is not there yet")
}

/// The engines that do not answer now. NATS is connected to after MongoDB has answered for the first time.
async fn missing(store: Store, ready: Arc<OnceLock<Ready>>) -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !matches!(tokio::time::timeout(PROBE, store.ping()).await, Ok(Ok(()))) {
        missing.push("mongodb");
    }
    if !ready.get().is_some_and(|ready| ready.bus.is_connected()) {
        missing.push("nats");
    }
    missing
}

//! The server's life: answer at once, say "not ready" until the engines are there, serve, drain.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_graphql::ID;
use axum::{Router, extract::Request, response::Response};
use paystats_core::{
    config::Config,
    datalake::Datalake,
    engines::{Engines, wait_for},
    operations::Operations,
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
    condition::Condition,
    graphql::{self, SchemaSettings},
    http::{
        Connections, GraphqlOptions, Peer, Types, dashboard_routes, graphql_routes, guarded, observed, page_routes,
        refusal, rejections_csv_routes, shown_to_readers, upload_routes,
    },
    memory::Memory,
    metrics::Metrics,
    outbox,
    watch::LoadWatch,
};

/// What the routes look at, as far as it is there.
#[derive(Default)]
pub(crate) struct Started {
    /// The engines, once both have answered.
    pub(crate) engines: OnceLock<Engines>,
    /// The API, once the totals are in memory.
    api: OnceLock<StartedApi>,
}

struct StartedApi {
    actions: Actions,
    graphql: Router,
}

impl Started {
    /// What can be done, once it can.
    pub(crate) fn actions(&self) -> Option<&Actions> {
        self.api.get().map(|api| &api.actions)
    }
}

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
    let started: Arc<Started> = Arc::default();
    let metrics = Metrics::default();
    let operations = {
        let condition = Condition { store: store.clone(), started: started.clone(), metrics: metrics.clone() };
        Operations::new(Arc::new(condition), metrics.registry(), env!("CARGO_PKG_VERSION"))
    };
    let sockets = TaskTracker::new();
    let deadline = Deadline(server.deadline);
    let datalake = Datalake::new(&config.datalake);
    let uploads = Uploads::new(datalake.clone(), server.upload_bytes);
    let background = {
        let options = GraphqlOptions {
            access: access.clone(),
            limits: server.documents.limits,
            persisted,
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
            sockets: sockets.clone(),
            ..Default::default()
        };
        let settings = SchemaSettings { deadline, documents: server.documents.clone() };
        start_when_possible(store, config, datalake, settings, options, started.clone())
    };
    let routes = Router::new()
        .route_service(
            "/graphql",
            tower::service_fn({
                let started = started.clone();
                move |request| {
                    let started = started.clone();
                    async move { Ok::<_, std::convert::Infallible>(graphql_when_ready(&started, request).await) }
                }
            }),
        )
        .merge(rejections_csv_routes(deadline, &access, {
            move |load| {
                let started = started.clone();
                async move { deadline.keep("try again", rejected_rows(&started, load)).await? }
            }
        }))
        .merge(operations.probes())
        .merge(shown_to_readers(operations.metrics(), &access))
        .merge(dashboard_routes(&server, &uploads, &access))
        .merge(upload_routes(uploads, &access))
        .merge(page_routes(&server));
    let routes = observed(guarded(routes, server.origins.clone(), access.is_open()), metrics);

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
    started: Arc<Started>,
) {
    let engines = Engines::connect(store, &config).await;
    // Both are set once: this function is called once.
    let _ = started.engines.set(engines.clone());
    let memory = Arc::new(wait_for("the totals in memory", || Memory::build(engines.store.clone())).await);
    let actions = Actions {
        engines: engines.clone(),
        datalake,
        watch: LoadWatch::new(),
        memory: memory.clone(),
        maps: Arc::default(),
    };
    let schema = graphql::schema(actions.clone(), options.metrics.clone(), &settings);
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
    let _ = started.api.set(StartedApi { actions: actions.clone(), graphql });
    info!("server is ready");
    tokio::join!(actions.watch.read(&engines, &memory), outbox::publish_forgotten(&actions), memory.follow());
}

async fn graphql_when_ready(started: &Started, request: Request) -> Response {
    if let Some(api) = started.api.get() {
        return match api.graphql.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
    }
    refusal(&starting())
}

/// The refused rows of the load with this id or number.
async fn rejected_rows(started: &Started, load: String) -> Result<RejectedRows, ActionError> {
    let actions = started.actions().ok_or_else(starting)?;
    let id = graphql::find_load_id(actions, &ID(load)).await?;
    actions.rejected_rows(id).await
}

fn starting() -> ActionError {
    ActionError::unavailable("the server is starting: the database or the message bus is not there yet")
}

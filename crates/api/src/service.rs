//! The way of every request: route, handler, headers, log.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    http::Method,
    web::{self, Data, Payload, ServiceConfig},
};
use key_backup_storage::chain;
use key_backup_traces::{Context, RequestSpan, within};

use crate::{
    ApiError, AppState, ListenerContext, Serves,
    access_log::Exchange,
    client::Client,
    handlers::{
        Call, keys_delete, keys_get, keys_put, metrics, version_delete, version_get, version_post,
        version_put,
    },
    limits::Place,
    record::Record,
    reply,
    routes::{Route, method_label},
    trace,
    work::weighed,
};

/// Serves everything on all listeners of one thread.
///
/// actix's own routing is left out because it decodes paths before it matches them: see `routes`.
pub fn configure(config: &mut ServiceConfig, state: Data<AppState>) {
    config.app_data(state).default_service(web::to(serve));
}

async fn serve(request: HttpRequest, payload: Payload, state: Data<AppState>) -> HttpResponse<BoxBody> {
    let instance = Arc::clone(&state.instance);
    let Some(listener) = instance.listeners.of(&request) else {
        tracing::error!("a request came in on no listener that is known");
        return HttpResponse::InternalServerError().finish();
    };
    let route = served_route(listener, request.path());
    let servlet = route.servlet(request.method());
    let metrics = instance.metrics.http.received(method_label(request.method()), servlet);
    let record = Rc::new(Record::new(metrics));
    let client = Rc::new(Client::of(&request, listener));
    let exchange = Exchange::begin(
        Arc::clone(&instance),
        listener,
        &request,
        servlet,
        Rc::clone(&client),
        Rc::clone(&record),
    );
    let span = trace::begin(&instance, listener, &request, &route, exchange.id());
    let context = span.as_ref().map(RequestSpan::context);
    let exchange = exchange.traced_as(span);
    let call = Call { state, request, client, record, payload, holds: RefCell::default() };
    let operation = route.operation(call.request.method());
    let result = admitted(call, context, route, operation).await;
    if let Some(operation) = operation {
        let outcome = result.as_ref().map_or_else(ApiError::outcome, |_| "ok");
        instance.metrics.operations.ended(operation, outcome);
    }
    let response = result.unwrap_or_else(|error| {
        if error.is_a_mistake() {
            tracing::error!(request = exchange.id(), "{}", chain(&error));
        }
        reply::error(&error)
    });
    exchange.finish_with(response).map_into_boxed_body()
}

/// The answer; that of an operation once it has a place. It is waited for here, while there is little yet that grows cold: many may wait.
async fn admitted(
    call: Call,
    context: Option<Context>,
    route: Route,
    operation: Option<&'static str>,
) -> Result<HttpResponse, ApiError> {
    let record = Rc::clone(&call.record);
    let place = match operation {
        Some(_) => Some(call.state.enter().await?),
        None => None,
    };
    let (result, work) = weighed(within(context, answer(call, place, route))).await;
    record.add_work(&work);
    result
}

/// A resource that this listener does not have is unknown on it.
fn served_route(listener: &ListenerContext, path: &str) -> Route {
    let Serves::Resources { client, metrics } = listener.serves else { return Route::Metrics };
    let route = Route::of(path);
    let served = match route {
        Route::Health | Route::Ready | Route::Unknown => true,
        Route::Metrics => metrics,
        Route::Keys { .. } | Route::LatestVersion | Route::Version(_) => client,
    };
    if served { route } else { Route::Unknown }
}

/// Route and method are checked before the token, as in Synapse. Each handler is in a box of its own, as large as that one needs.
async fn answer(call: Call, place: Option<Place>, route: Route) -> Result<HttpResponse, ApiError> {
    if let Some(place) = place {
        call.has_entered(place);
    }
    let method = call.request.method().clone();
    if method == Method::OPTIONS {
        return Ok(reply::preflight(&call.state.instance.settings));
    }
    if route == Route::Unknown {
        return Err(ApiError::Unrecognized);
    }
    if !route.allows(&method) {
        return Err(ApiError::MethodNotAllowed(route.methods()));
    }
    match (route, method) {
        (Route::Health, _) => Ok(reply::healthy()),
        (Route::Ready, _) => Ok(reply::readiness(call.state.instance.obstacle())),
        (Route::Metrics, _) => Ok(metrics::answer(&call)),
        (Route::LatestVersion, Method::POST) => Box::pin(version_post::answer(call)).await,
        (Route::LatestVersion, _) => Box::pin(version_get::answer(call, None)).await,
        (Route::Version(version), Method::PUT) => Box::pin(version_put::answer(call, &version)).await,
        (Route::Version(version), Method::DELETE) => Box::pin(version_delete::answer(call, &version)).await,
        (Route::Version(version), _) => Box::pin(version_get::answer(call, Some(&version))).await,
        (Route::Keys { room, session }, Method::PUT) => Box::pin(keys_put::answer(call, room, session)).await,
        (Route::Keys { room, session }, Method::DELETE) => {
            Box::pin(keys_delete::answer(call, room, session)).await
        }
        (Route::Keys { room, session }, _) => Box::pin(keys_get::answer(call, room, session)).await,
        (Route::Unknown, _) => Err(ApiError::Unrecognized),
    }
}

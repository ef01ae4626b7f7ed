//! One file for each operation. Each opens with its routes, the specification and the Synapse servlet that it mirrors.

pub(crate) mod keys_delete;
pub(crate) mod keys_get;
pub(crate) mod keys_put;
pub(crate) mod metrics;
pub(crate) mod version_delete;
pub(crate) mod version_get;
pub(crate) mod version_post;
pub(crate) mod version_put;

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    sync::Arc,
};

use actix_web::{
    HttpRequest,
    web::{Bytes, Data, Payload},
};
use key_backup_model::{BackupVersion, NulCharacter, RoomId, SessionId, UserId};
use key_backup_storage::{allow_for, held_up, held_up_for};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    ApiError, AppState,
    auth::{self, Requester},
    client::Client,
    extract::{body, query::Query},
    limits::{Place, Reservation, RestorePlace, User},
    record::Record,
    work::in_block,
};

/// Bodies of more bytes count as large uploads: no client sends such in daily use.
const LARGE: usize = 1024 * 1024;

/// One request in the hands of its handler.
pub(crate) struct Call {
    pub(crate) state: Data<AppState>,
    pub(crate) request: HttpRequest,
    pub(crate) client: Rc<Client>,
    pub(crate) record: Rc<Record>,
    pub(crate) payload: Payload,
    pub(crate) holds: RefCell<Holds>,
}

/// What a request has taken of what there is only so much of.
#[derive(Default)]
pub(crate) struct Holds {
    place: Option<Place>,
    /// `None` for those who have no limits, and until it is known who asks.
    user: Option<Arc<User>>,
    user_place: Option<OwnedSemaphorePermit>,
    large_upload: Option<OwnedSemaphorePermit>,
    body: Reservation,
}

impl Call {
    /// Who asks; the first thing that every handler wants to know.
    async fn requester(&self) -> Result<Requester, ApiError> {
        let requester = pin!(async {
            // Others need not wait for the Matrix Authentication Service.
            let claim = auth::claim(&self.state, &self.request, &self.client, || self.leave()).await?;
            self.enter_again().await?;
            auth::requester(&self.state, &claim, self.query(), &self.client).await
        });
        let requester = in_block(&self.state.instance.metrics.blocks.authenticate, requester).await?;
        // It is set once: a handler asks once.
        let _ = self.record.requester.set(requester.clone());
        if !requester.is_exempt {
            self.enter_as(&requester.user).await?;
        }
        Ok(requester)
    }

    /// Keeps its place among the requests that are worked on. What it has waited for it is less time for the database.
    pub(crate) fn has_entered(&self, place: Place) {
        held_up_for(place.waited);
        self.holds.borrow_mut().place = Some(place);
    }

    /// Waits for a place once more, if it has left it.
    async fn enter_again(&self) -> Result<(), ApiError> {
        if self.holds.borrow().place.is_none() {
            self.has_entered(self.state.enter().await?);
        }
        Ok(())
    }

    fn leave(&self) {
        self.holds.borrow_mut().place = None;
    }

    /// Counts the request as this user's. While it waits for others of the same user it takes no place from anybody else.
    async fn enter_as(&self, id: &UserId) -> Result<(), ApiError> {
        let users = &self.state.instance.limits.users;
        let user = users.get(id);
        let mut user_place = user.free_place();
        if user_place.is_none() {
            self.leave();
            user_place = Some(held_up(users.place(&user)).await?);
            self.enter_again().await?;
        }
        // This may have to ask the database, so not more may do it than may ask it for anything else.
        users.count(&user, id, &self.state.database).await?;
        let mut holds = self.holds.borrow_mut();
        (holds.user, holds.user_place) = (Some(user), user_place);
        Ok(())
    }

    /// The body, whole. While the request waits for it, it takes no place from others.
    async fn body(&mut self) -> Result<Bytes, ApiError> {
        let Some(body) = body::announced(&self.request) else { return self.large_body().await };
        if body > LARGE { self.large_body().await } else { self.read_body().await }
    }

    async fn large_body(&mut self) -> Result<Bytes, ApiError> {
        let user = self.holds.borrow().user.clone();
        if let Some(user) = user {
            let place = self.state.instance.limits.users.large_upload(&user)?;
            self.holds.borrow_mut().large_upload = Some(place);
        }
        self.read_body().await
    }

    async fn read_body(&mut self) -> Result<Bytes, ApiError> {
        let (body, taken) = self.body_on_its_way().await?;
        self.holds.borrow_mut().body = taken;
        allow_for(body.len());
        self.enter_again().await?;
        Ok(body)
    }

    /// The place is kept where all has come already, as with a request that has waited in the queue: it does not wait there twice.
    async fn body_on_its_way(&mut self) -> Result<(Bytes, Reservation), ApiError> {
        let instance = Arc::clone(&self.state.instance);
        let limit = instance.settings.max_request_body;
        let read = pin!(body::read(&self.request, &mut self.payload, limit, &instance.limits));
        let mut read = pin!(in_block(&instance.metrics.blocks.read_body, read));
        poll_fn(|context| {
            let read = read.as_mut().poll(context);
            if read.is_pending() {
                self.holds.borrow_mut().place = None;
            }
            read
        })
        .await
    }

    /// Waits for a restore's turn. From now on it has a place among restores, and none among the other requests.
    pub(crate) async fn restore_place(&self) -> Result<RestorePlace, ApiError> {
        self.leave();
        let user = self.holds.borrow().user.clone();
        held_up(self.state.instance.limits.restore(user.as_deref())).await
    }

    /// The query parameter `version` of the operations that only read or delete.
    fn version(&self) -> Result<BackupVersion, ApiError> {
        let (_, version) = self.query().version()?;
        version.ok_or_else(unknown_version)
    }

    fn query(&self) -> Query<'_> {
        Query::new(self.request.query_string())
    }
}

pub(crate) fn unknown_version() -> ApiError {
    ApiError::not_found("Unknown backup version")
}

fn room_id(segment: String) -> Result<RoomId, ApiError> {
    RoomId::new(segment).map_err(nul_in_path)
}

fn session_id(segment: String) -> Result<SessionId, ApiError> {
    SessionId::new(segment).map_err(nul_in_path)
}

fn nul_in_path(_: NulCharacter) -> ApiError {
    ApiError::Invalid("an id in the path holds U+0000, which cannot be stored".into())
}

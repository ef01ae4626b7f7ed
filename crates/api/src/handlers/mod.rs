//! One file for each operation. Each opens with its routes, the specification and the Synapse servlet that it mirrors.

pub(crate) mod keys_delete;
pub(crate) mod keys_get;
pub(crate) mod keys_put;
pub(crate) mod metrics;
pub(crate) mod version_delete;
pub(crate) mod version_get;
pub(crate) mod version_post;
pub(crate) mod version_put;

use std::rc::Rc;

use actix_web::{
    HttpRequest,
    web::{Bytes, Data, Payload},
};
use key_backup_model::{BackupVersion, NulCharacter, RoomId, SessionId};

use crate::{
    ApiError, AppState,
    auth::{self, Requester},
    client::Client,
    extract::{body, query::Query},
    record::Record,
    work::in_block,
};

/// One request in the hands of its handler.
pub(crate) struct Call {
    pub(crate) state: Data<AppState>,
    pub(crate) request: HttpRequest,
    pub(crate) client: Rc<Client>,
    pub(crate) record: Rc<Record>,
    pub(crate) payload: Payload,
}

impl Call {
    /// Who asks; the first thing that every handler wants to know.
    async fn requester(&self) -> Result<Requester, ApiError> {
        let block = &self.state.instance.metrics.blocks.authenticate;
        let requester = in_block(block, auth::requester(&self.state, &self.request, &self.client)).await?;
        // It is set once: a handler asks once.
        let _ = self.record.requester.set(requester.clone());
        Ok(requester)
    }

    /// The body, whole.
    async fn body(&mut self) -> Result<Bytes, ApiError> {
        let instance = &self.state.instance;
        let read = body::read(&self.request, &mut self.payload, instance.settings.max_request_body);
        in_block(&instance.metrics.blocks.read_body, read).await
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

//! Everything that can be answered instead of what was asked for: one table of statuses, error codes and texts.
//!
//! Texts are Synapse's where Synapse has one.

use std::{borrow::Cow, sync::Arc, time::Duration};

use actix_web::http::StatusCode;
use key_backup_model::{
    BackupVersion, BodyError,
    upload::{ContentError, Place, Problem},
};
use key_backup_storage::StorageError;
use serde_json::{Value, json};

use crate::auth::MasError;

/// An answer that is a Matrix error.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No such path.
    #[error("unknown path")]
    Unrecognized,
    /// The path exists, but not with this method: with these only, as `Allow` lists them.
    #[error("unknown method")]
    MethodNotAllowed(&'static str),
    /// The request names no token, or not in the way it has to.
    #[error("{0}")]
    MissingToken(&'static str),
    /// Synapse has not issued the token, or has revoked it.
    #[error("unknown token")]
    UnknownToken,
    /// The token cannot be used; the text says why, in Synapse's words.
    #[error("{0}")]
    InvalidToken(String),
    /// The token's time is over; the client may refresh it.
    #[error("expired token")]
    ExpiredToken,
    /// The account is locked.
    #[error("locked account")]
    UserLocked,
    /// The account's time is over.
    #[error("expired account")]
    UserExpired,
    /// An application service may not act for this user.
    #[error("{0}")]
    Forbidden(String),
    /// An application service names a device that its user does not have.
    #[error("{0}")]
    UnknownDevice(String),
    /// The Matrix Authentication Service, which was asked about the token, lets nobody in.
    #[error(transparent)]
    Mas(#[from] Arc<MasError>),
    /// Guests have no backups.
    #[error("guest")]
    GuestAccess,
    /// The body is not a JSON object.
    #[error("malformed body: {0:?}")]
    Body(BodyError),
    /// The client closed the connection or broke the framing before its body was complete.
    #[error("incomplete body")]
    IncompleteBody,
    /// The body is larger than the limit, in bytes.
    #[error("body beyond {0} bytes")]
    TooLarge(usize),
    /// A query parameter is missing.
    #[error("missing query parameter {0}")]
    MissingQuery(&'static str),
    /// A query parameter is not ASCII.
    #[error("query parameter {0} is not ASCII")]
    QueryNotAscii(&'static str),
    /// A field of the body is missing.
    #[error("missing field {0}")]
    MissingField(&'static str),
    /// A field or a part of the path has a value that cannot be.
    #[error("invalid: {0}")]
    Invalid(Cow<'static, str>),
    /// Something inside an upload is wrong.
    #[error("upload: {0}")]
    Upload(ContentError, Place),
    /// There is no backup, or no such version of it. The text is the operation's.
    #[error("{0}")]
    NotFound(Cow<'static, str>),
    /// An upload to a version that is not the current one.
    #[error("wrong version, current is {0}")]
    WrongVersion(BackupVersion),
    /// There is too much to do at the moment.
    #[error("overloaded")]
    Overloaded,
    /// This user asks too often, or for too much at once; the time is what to wait before asking again.
    #[error("limit exceeded")]
    LimitExceeded(Duration),
    /// The body came too slowly.
    #[error("slow body")]
    SlowBody,
    /// The database could not be asked, or could not do it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ApiError {
    /// Synapse's `No backup found`, `Unknown backup version` and their like.
    pub(crate) fn not_found(text: impl Into<Cow<'static, str>>) -> Self {
        Self::NotFound(text.into())
    }

    /// HTTP status, Matrix error code, text.
    #[rustfmt::skip]
    pub(crate) fn parts(&self) -> (StatusCode, &'static str, Cow<'_, str>) {
        let (status, errcode, error): (u16, _, Cow<'_, str>) = match self {
            Self::Unrecognized => (404, "M_UNRECOGNIZED", "Unrecognized request".into()),
            Self::MethodNotAllowed(_) => (405, "M_UNRECOGNIZED", "Unrecognized request".into()),
            Self::MissingToken(text) => (401, "M_MISSING_TOKEN", (*text).into()),
            Self::UnknownToken => (401, "M_UNKNOWN_TOKEN", "Invalid access token passed.".into()),
            Self::InvalidToken(text) => (401, "M_UNKNOWN_TOKEN", text.into()),
            Self::ExpiredToken => (401, "M_UNKNOWN_TOKEN", "Access token has expired".into()),
            Self::UserLocked => (401, "M_USER_LOCKED", "User account has been locked".into()),
            Self::UserExpired => (403, "ORG_MATRIX_EXPIRED_ACCOUNT", "User account has expired".into()),
            Self::Forbidden(text) => (403, "M_FORBIDDEN", text.into()),
            Self::UnknownDevice(text) => (400, "M_UNKNOWN_DEVICE", text.into()),
            Self::Mas(error) => error.parts(),
            Self::GuestAccess => (403, "M_GUEST_ACCESS_FORBIDDEN", "Guest access not allowed".into()),
            Self::Body(BodyError::NotJson) => (400, "M_NOT_JSON", "Content not JSON.".into()),
            Self::Body(BodyError::NotAnObject) => (400, "M_BAD_JSON", "Content must be a JSON object.".into()),
            Self::IncompleteBody => (400, "M_UNKNOWN", "The body of the request is incomplete.".into()),
            Self::TooLarge(limit) => (413, "M_TOO_LARGE", format!("Request content is too large (>{limit})").into()),
            Self::MissingQuery(name) => (400, "M_MISSING_PARAM", format!("Missing string query parameter '{name}'").into()),
            Self::QueryNotAscii(name) => (400, "M_UNKNOWN", format!("Query parameter '{name}' must be ascii").into()),
            Self::MissingField(name) => (400, "M_MISSING_PARAM", format!("Missing field {name}").into()),
            Self::Invalid(text) => (400, "M_INVALID_PARAM", text.as_ref().into()),
            Self::Upload(error, place) => (400, upload_errcode(error.problem()), upload_text(error, place).into()),
            Self::NotFound(text) => (404, "M_NOT_FOUND", text.as_ref().into()),
            Self::WrongVersion(_) => (403, "M_WRONG_ROOM_KEYS_VERSION", "Wrong room_keys version".into()),
            Self::Overloaded | Self::Storage(StorageError::Busy { .. }) => (503, "M_UNKNOWN", "There is too much to do. Try again later.".into()),
            Self::LimitExceeded(_) => (429, "M_LIMIT_EXCEEDED", "Too Many Requests".into()),
            Self::SlowBody => (408, "M_UNKNOWN", "The body of the request came too slowly.".into()),
            Self::Storage(StorageError::IdTooLong { .. }) => (400, "M_INVALID_PARAM", "A room or session id is too long to be stored".into()),
            Self::Storage(StorageError::Unavailable { .. }) => (503, "M_UNKNOWN", "The database is not available. Try again later.".into()),
            Self::Storage(_) => (500, "M_UNKNOWN", "Internal server error".into()),
        };
        (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), errcode, error)
    }

    /// The body of the answer.
    pub(crate) fn to_json(&self) -> Value {
        let (_, errcode, error) = self.parts();
        let mut body = json!({ "errcode": errcode, "error": error });
        match self {
            Self::UnknownToken | Self::InvalidToken(_) => body["soft_logout"] = false.into(),
            Self::Mas(error) if error.is_refusal() => body["soft_logout"] = false.into(),
            Self::ExpiredToken | Self::UserLocked => body["soft_logout"] = true.into(),
            Self::LimitExceeded(pause) => body["retry_after_ms"] = millis(*pause).into(),
            Self::WrongVersion(current) => body["current_version"] = current.to_string().into(),
            _ => {}
        }
        body
    }

    /// What kind of error it is, in a word for metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match (self, self.parts().0.as_u16()) {
            (Self::WrongVersion(_), _) => "wrong_version",
            (_, 401 | 403) => "unauthorized",
            (_, 404) => "not_found",
            (_, 429) => "rate_limited",
            (_, 400..=499) => "invalid",
            (_, 503) => "unavailable",
            _ => "error",
        }
    }

    /// Whether something went wrong that nobody has told the log yet. Outages are told when they begin and end, and not for each request.
    pub(crate) fn is_a_mistake(&self) -> bool {
        let is_outage = match self {
            Self::Overloaded
            | Self::Storage(StorageError::Unavailable { .. } | StorageError::Busy { .. }) => true,
            Self::Mas(error) => error.is_failure(),
            _ => false,
        };
        self.parts().0.is_server_error() && !is_outage
    }

    /// When a client may try again, for the header `Retry-After`.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::LimitExceeded(pause) => Some(*pause),
            Self::Overloaded | Self::Storage(StorageError::Busy { .. }) => Some(Duration::from_secs(1)),
            _ => (self.parts().0 == StatusCode::SERVICE_UNAVAILABLE).then_some(Duration::from_secs(2)),
        }
    }
}

/// Whole milliseconds, rounded up: who waits for so long is let in.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

fn upload_errcode(problem: Problem) -> &'static str {
    match problem {
        Problem::Missing => "M_MISSING_PARAM",
        Problem::NotAnObject | Problem::Unreadable => "M_BAD_JSON",
        Problem::NotAnInteger | Problem::NotABoolean | Problem::NulInName | Problem::Value(_) => {
            "M_INVALID_PARAM"
        }
    }
}

/// Names the field, except for the one case that has a text of Synapse's (with its missing space).
fn upload_text(error: &ContentError, place: &Place) -> String {
    match (error.problem(), error.room_and_session(place)) {
        (Problem::NotABoolean, Some((room, session))) => {
            format!("is_verified must be a boolean in keys for session {session} inroom {room}")
        }
        _ => error.to_string(),
    }
}

//! Why a token that the Matrix Authentication Service was asked about opens nothing.

use std::borrow::Cow;

/// Why nobody was let in. Shared by all that asked about one token at one time.
#[derive(Debug, thiserror::Error)]
pub enum MasError {
    /// The service could not be asked, or not be understood. It may work later.
    #[error("cannot introspect an access token")]
    Failed(#[from] IntrospectionError),
    /// The token opens nothing, or nothing any more; the text is Synapse's.
    #[error("{0}")]
    Refused(&'static str),
    /// The service calls the token good, but what else it says does not fit the homeserver; the text is Synapse's.
    #[error("{0}")]
    Unfit(&'static str),
}

/// Why the service said nothing of use. Holds neither the token nor the secret, and nothing of an answer.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectionError {
    /// No connection, no whole answer, or none in time.
    #[error("no answer from the Matrix Authentication Service")]
    Request(#[from] reqwest::Error),
    /// An answer other than 2xx. A redirect is not followed: the secret is for the endpoint alone.
    #[error("the Matrix Authentication Service answered {0}")]
    Status(reqwest::StatusCode),
    /// A body beyond the limit.
    #[error("the answer of the Matrix Authentication Service is too large")]
    TooLarge,
    /// A body that is no JSON object.
    #[error("the answer of the Matrix Authentication Service is no JSON object")]
    NotAnObject,
    /// A field of the wrong type, or `active` is missing.
    #[error("`{0}` in the answer of the Matrix Authentication Service has the wrong type")]
    Field(&'static str),
    /// Too many questions wait for their answers already.
    #[error("the Matrix Authentication Service owes too many answers")]
    Busy,
    /// The worker ends.
    #[error("the question to the Matrix Authentication Service was given up")]
    GivenUp,
}

impl MasError {
    pub(super) const NOT_ACTIVE: Self = Self::Refused("Token is not active");
    pub(super) const NO_API_ACCESS: Self = Self::Refused("Token doesn't grant access to the Matrix C-S API");
    pub(super) const NO_USERNAME: Self = Self::Unfit("Invalid username claim in the introspection result");
    pub(super) const NO_USER: Self = Self::Unfit("User not found");
    pub(super) const SEVERAL_DEVICES: &str = "Multiple device IDs in scope";
    pub(super) const INVALID_DEVICE: &str = "Invalid device ID in introspection result";

    /// HTTP status, Matrix error code, text.
    pub(crate) fn parts(&self) -> (u16, &'static str, Cow<'static, str>) {
        match self {
            Self::Failed(_) => (503, "M_UNKNOWN", "Unable to introspect the access token".into()),
            Self::Refused(text) => (401, "M_UNKNOWN_TOKEN", (*text).into()),
            Self::Unfit(text) => (500, "M_FORBIDDEN", (*text).into()),
        }
    }

    /// Whether the service is to blame, for all that is known.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Whether the token is to blame, and not the service.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

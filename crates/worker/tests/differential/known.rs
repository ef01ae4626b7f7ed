//! The one list of differences between Synapse and the worker.
//!
//! Each has a row in `docs/compatibility.md`, which says what either does and why. The steps that meet one state the two
//! answers; they fail when the difference is gone, or is another.

/// A difference that is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The specification's order decides which key stays: verified, then first message index, then forwarded count.
    MergeRule,
    /// `M_WRONG_ROOM_KEYS_VERSION` names the current version, as the specification says.
    CurrentVersion,
    /// An upload with a bad entry stores nothing.
    AllOrNothing,
    /// A malformed body is the client's error and says which field is wrong; Synapse fails with 500.
    MalformedBody,
    /// An index is an integer: no float, no text, no null, though PostgreSQL would convert some of them.
    IntegersOnly,
    /// What PostgreSQL cannot store, or Synapse could not read again, is refused instead of a 500 now or later.
    Unstorable,
    /// An id with U+0000 in the path names nothing; Synapse fails with 500.
    NulInPath,
    /// Versions are opaque: only the string that was handed out names one.
    OpaqueVersion,
    /// A token that is not ASCII is unknown; Synapse fails with 500.
    TokenNotAscii,
    /// An `X-Forwarded-For` that is not ASCII is left alone; Synapse closes the connection.
    ForwardedForNotAscii,
    /// A body beyond the limit is answered; Synapse closes the connection.
    BodyTooLarge,
    /// Every body is read as JSON; Synapse refuses forms.
    FormBody,
    /// Browsers may keep the answer to a preflight, and HTTP forbids `Content-Length` with status 204.
    Preflight,
    /// Nesting is refused a little before Python gives up.
    Nesting,
    /// A target holds only characters that may stand in a URL, and a fragment is none of its parts.
    StrictTarget,
    /// What RFC 9112 forbids is refused: no `Host` or two of them, folded headers, `Transfer-Encoding: identity`.
    StrictHttp,
    /// The head of a request may be longer than Synapse's 16 KiB, but has fewer headers.
    HeadLimits,
    /// A 405 lists the methods that there are, as HTTP demands.
    AllowHeader,
    /// The worker says who it is.
    ServerHeader,
}

impl Known {
    /// All of them, in the order of the documentation.
    pub(crate) const ALL: [Self; 19] = [
        Self::MergeRule,
        Self::CurrentVersion,
        Self::AllOrNothing,
        Self::MalformedBody,
        Self::IntegersOnly,
        Self::Unstorable,
        Self::NulInPath,
        Self::OpaqueVersion,
        Self::TokenNotAscii,
        Self::ForwardedForNotAscii,
        Self::BodyTooLarge,
        Self::FormBody,
        Self::Preflight,
        Self::Nesting,
        Self::StrictTarget,
        Self::StrictHttp,
        Self::HeadLimits,
        Self::AllowHeader,
        Self::ServerHeader,
    ];

    /// What its row in `docs/compatibility.md` begins with.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::MergeRule => "merge-rule",
            Self::CurrentVersion => "current-version",
            Self::AllOrNothing => "all-or-nothing",
            Self::MalformedBody => "malformed-body",
            Self::IntegersOnly => "integers-only",
            Self::Unstorable => "unstorable",
            Self::NulInPath => "nul-in-path",
            Self::OpaqueVersion => "opaque-version",
            Self::TokenNotAscii => "token-not-ascii",
            Self::ForwardedForNotAscii => "forwarded-for-not-ascii",
            Self::BodyTooLarge => "body-too-large",
            Self::FormBody => "form-body",
            Self::Preflight => "preflight",
            Self::Nesting => "nesting",
            Self::StrictTarget => "strict-target",
            Self::StrictHttp => "strict-http",
            Self::HeadLimits => "head-limits",
            Self::AllowHeader => "allow-header",
            Self::ServerHeader => "server-header",
        }
    }
}

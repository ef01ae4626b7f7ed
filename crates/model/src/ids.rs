//! Identifiers, which this worker never takes apart: Synapse stores any string as a room or session id.

use std::{fmt, sync::Arc};

/// The identifier holds U+0000, the one character that PostgreSQL's `text` cannot store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NulCharacter;

impl fmt::Display for NulCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("identifier holds U+0000")
    }
}

impl std::error::Error for NulCharacter {}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Opaque: any string without U+0000, compared byte for byte. Cheap to clone.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the identifier as it was sent.
            ///
            /// # Errors
            ///
            /// [`NulCharacter`] if PostgreSQL could not store it.
            pub fn new(id: impl AsRef<str>) -> Result<Self, NulCharacter> {
                let id = id.as_ref();
                if id.contains('\0') { Err(NulCharacter) } else { Ok(Self(id.into())) }
            }

            /// Takes an identifier from PostgreSQL, whose `text` never holds U+0000.
            pub fn from_column(id: &str) -> Self {
                Self(id.into())
            }

            /// The identifier as it was sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id! {
    /// A full Matrix user id, `@localpart:server`.
    UserId
}
opaque_id! {
    /// The room that a session belongs to. Since room version 12 it has no server part.
    RoomId
}
opaque_id! {
    /// A Megolm session id: usually unpadded standard base64, so it holds `/` and `+`.
    SessionId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_string_that_postgresql_can_store_is_an_id() {
        for id in ["", "!r:server", "a/b+c==", " ", "😀", "\u{1}"] {
            assert_eq!(RoomId::new(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn an_id_with_a_nul_character_is_refused() {
        assert_eq!(SessionId::new("a\0b"), Err(NulCharacter));
    }
}

//! Keys as real clients make them: their shapes and sizes, with noise for ciphertext.

use serde_json::{Map, Value, json};

/// One room's sessions by their ids.
pub(super) type Sessions = Map<String, Value>;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Makes text that looks random and is the same in each run.
#[derive(Debug)]
pub(super) struct Sampler {
    state: u64,
}

impl Sampler {
    pub(super) fn new() -> Self {
        Self { state: 1 }
    }

    /// A room id of room version 12, which has no server name.
    pub(super) fn room_id(&mut self) -> String {
        format!("!{}", self.text(43, BASE64URL))
    }

    /// So many sessions of a room. Most of the ids hold a `/` or a `+`; the first one surely holds both.
    pub(super) fn sessions(&mut self, number: usize) -> Sessions {
        let mut sessions = Sessions::new();
        sessions.insert(format!("a/b+c/{}", self.text(37, BASE64)), self.key());
        while sessions.len() < number {
            sessions.insert(self.text(43, BASE64), self.key());
        }
        sessions
    }

    /// What all of Element's clients send: `session_data` of 735 bytes.
    fn key(&mut self) -> Value {
        json!({
            "first_message_index": 0,
            "forwarded_count": 0,
            "is_verified": false,
            "session_data": {
                "ephemeral": self.text(43, BASE64),
                "ciphertext": self.text(640, BASE64),
                "mac": self.text(11, BASE64),
            },
        })
    }

    /// A version's `auth_data`: a public key and two signatures.
    pub(super) fn auth_data(&mut self, user_id: &str) -> Value {
        let signatures = json!({
            "ed25519:DEVICE": self.text(86, BASE64),
            format!("ed25519:{}", self.text(43, BASE64)): self.text(86, BASE64),
        });
        json!({ "public_key": self.text(43, BASE64), "signatures": { user_id: signatures } })
    }

    fn text(&mut self, length: usize, alphabet: &[u8; 64]) -> String {
        (0..length)
            .map(|_| {
                // Knuth's linear congruential generator; its high bits are the good ones.
                self.state = self
                    .state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                char::from(alphabet[usize::from((self.state >> 58) as u8)])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_data_is_as_large_as_that_of_real_clients() {
        let sessions = Sampler::new().sessions(20);
        assert_eq!(sessions.len(), 20);
        assert!(sessions.values().all(|key| key["session_data"].to_string().len() == 735));
    }
}

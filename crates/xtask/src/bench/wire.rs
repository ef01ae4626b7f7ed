//! One connection to PostgreSQL, overheard: its round trips and the statements that were sent.
//!
//! A round trip begins when the client sends something while it waits for nothing. Messages that follow before the answer has come
//! belong to the same one, and so does all that a pipeline holds.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};

/// The codes with which a client asks for encryption, in place of the version of the protocol.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

/// The client's messages that are answered with `ReadyForQuery`, and those that may come before them.
const ENDS: &[u8] = b"QSF";
const PARTS: &[u8] = b"PBDECH";

/// Something that the client had PostgreSQL do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// SQL in a message of its own.
    Simple(String),
    /// A prepared statement with its parameters in their binary form; `None` is NULL.
    Prepared { sql: String, parameters: Vec<Option<Vec<u8>>> },
}

impl Sent {
    pub(super) fn sql(&self) -> &str {
        match self {
            Self::Simple(sql) | Self::Prepared { sql, .. } => sql,
        }
    }
}

/// What was heard on one connection in some time.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) round_trips: usize,
    pub(super) sent: Vec<Sent>,
}

impl Heard {
    /// Whether something was sent that concerns keys.
    pub(super) fn is_about_keys(&self) -> bool {
        self.sent.iter().any(|sent| sent.sql().contains("e2e_room_keys"))
    }
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Wire {
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    /// The client is past the messages of the start, which have no type.
    is_started: bool,
    /// The server's next byte is its answer to a request for encryption.
    answers_with_a_byte: bool,
    /// Messages that the server ends with `ReadyForQuery`, which it has not sent yet.
    awaited: usize,
    /// Messages of a pipeline have been sent, its `Sync` has not.
    is_open: bool,
    statements: HashMap<String, String>,
    heard: Heard,
}

impl Wire {
    /// What was heard since the last call.
    pub(super) fn take(&mut self) -> Heard {
        std::mem::take(&mut self.heard)
    }

    /// Hears what the client sends, before the server does.
    pub(super) fn hear_client(&mut self, bytes: &[u8]) -> Result<()> {
        self.from_client.extend_from_slice(bytes);
        while !self.is_started {
            let Some(length) = length_at(&self.from_client, 0) else { return Ok(()) };
            if self.from_client.len() < length {
                return Ok(());
            }
            let start: Vec<u8> = self.from_client.drain(..length).collect();
            let code = length_at(&start, 4).and_then(|code| u32::try_from(code).ok());
            self.answers_with_a_byte = code.is_some_and(|code| ENCRYPTION_REQUESTS.contains(&code));
            self.is_started = !self.answers_with_a_byte;
        }
        let mut buffer = std::mem::take(&mut self.from_client);
        let used = each_message(&buffer, |kind, body| self.client_message(kind, body))?;
        buffer.drain(..used);
        // A long message has begun: what came before may be answered before its end is here.
        if buffer.first().is_some_and(|kind| ENDS.contains(kind) || PARTS.contains(kind)) {
            self.begin();
        }
        self.from_client = buffer;
        Ok(())
    }

    /// Hears what the server sends, before the client does.
    pub(super) fn hear_server(&mut self, mut bytes: &[u8]) -> Result<()> {
        if self.answers_with_a_byte && !bytes.is_empty() {
            ensure!(bytes[0] != b'S', "the connection is encrypted");
            self.answers_with_a_byte = false;
            bytes = &bytes[1..];
        }
        let mut buffer = std::mem::take(&mut self.from_server);
        buffer.extend_from_slice(bytes);
        let used = each_message(&buffer, |kind, _| {
            if kind == b'Z' {
                self.awaited = self.awaited.saturating_sub(1);
            }
            Ok(())
        })?;
        buffer.drain(..used);
        self.from_server = buffer;
        Ok(())
    }

    /// The client sends something.
    fn begin(&mut self) {
        if self.awaited == 0 && !self.is_open {
            self.heard.round_trips += 1;
        }
        self.is_open = true;
    }

    fn client_message(&mut self, kind: u8, body: &[u8]) -> Result<()> {
        let ends = ENDS.contains(&kind);
        if !ends && !PARTS.contains(&kind) {
            return Ok(());
        }
        self.begin();
        self.is_open = !ends;
        self.awaited += usize::from(ends);
        let mut fields = Fields(body);
        match kind {
            b'Q' => self.heard.sent.push(Sent::Simple(fields.text()?)),
            b'P' => {
                let name = fields.text()?;
                self.statements.insert(name, fields.text()?);
            }
            b'B' => {
                let _portal = fields.text()?;
                let sql = self.statements.get(&fields.text()?).cloned().unwrap_or_default();
                self.heard.sent.push(Sent::Prepared { sql, parameters: fields.parameters()? });
            }
            _ => {}
        }
        Ok(())
    }
}

/// Calls `take` with the type and the body of each whole message, and says how many bytes they were.
fn each_message(buffer: &[u8], mut take: impl FnMut(u8, &[u8]) -> Result<()>) -> Result<usize> {
    let mut used = 0;
    while let Some(length) = length_at(buffer, used + 1) {
        let Some(body) = buffer.get(used + 5..used + 1 + length) else { break };
        take(buffer[used], body)?;
        used += 1 + length;
    }
    Ok(used)
}

/// The length that stands there, itself included.
fn length_at(buffer: &[u8], at: usize) -> Option<usize> {
    let bytes = buffer.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(bytes)).ok()
}

/// The fields of a message that are left.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// Up to the next zero.
    fn text(&mut self) -> Result<String> {
        let end = self.0.iter().position(|byte| *byte == 0).context("a text without an end")?;
        let text = String::from_utf8(self.0[..end].to_vec())?;
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    fn bytes(&mut self, length: usize) -> Result<&[u8]> {
        let (bytes, rest) = self.0.split_at_checked(length).context("a short message")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<usize> {
        let bytes = self.bytes(2)?.try_into().context("two bytes")?;
        Ok(usize::from(u16::from_be_bytes(bytes)))
    }

    fn parameters(&mut self) -> Result<Vec<Option<Vec<u8>>>> {
        let formats = self.number()?;
        self.bytes(formats * 2)?;
        let count = self.number()?;
        let mut parameters = Vec::new();
        for _ in 0..count {
            let length = i32::from_be_bytes(self.bytes(4)?.try_into().context("four bytes")?);
            // A length of -1 is NULL.
            parameters.push(match usize::try_from(length) {
                Ok(length) => Some(self.bytes(length)?.to_vec()),
                Err(_) => None,
            });
        }
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], length.as_slice(), body].concat()
    }

    fn started() -> Wire {
        let mut wire = Wire::default();
        wire.hear_client(&[0, 0, 0, 8, 0, 3, 0, 0]).unwrap();
        wire.hear_server(&message(b'Z', b"I")).unwrap();
        wire
    }

    #[test]
    fn messages_that_wait_for_no_answer_in_between_are_one_round_trip() {
        let mut wire = started();
        let flight =
            [message(b'Q', b"BEGIN\0"), message(b'P', b"s\0SELECT 1\0\0\0"), message(b'S', b"")].concat();
        // The network cuts where it likes, and the first answer comes while the rest is still under way.
        wire.hear_client(&flight[..13]).unwrap();
        wire.hear_server(&message(b'Z', b"T")).unwrap();
        assert_eq!(wire.heard.round_trips, 1);
        let mut wire = started();
        wire.hear_client(&flight[..20]).unwrap();
        wire.hear_client(&flight[20..]).unwrap();
        wire.hear_server(&message(b'Z', b"T")).unwrap();
        wire.hear_server(&message(b'Z', b"T")).unwrap();
        assert_eq!(wire.heard.round_trips, 1);
        wire.hear_client(&message(b'Q', b"COMMIT\0")).unwrap();
        assert_eq!(wire.heard.round_trips, 2);
    }

    #[test]
    fn a_long_message_belongs_to_the_round_trip_in_which_it_began() {
        let mut wire = started();
        let flight =
            [message(b'Q', b"BEGIN\0"), message(b'P', b"s\0SELECT 'a long text'\0\0\0"), message(b'S', b"")]
                .concat();
        wire.hear_client(&flight[..20]).unwrap();
        wire.hear_server(&message(b'Z', b"T")).unwrap();
        wire.hear_client(&flight[20..]).unwrap();
        assert_eq!(wire.heard.round_trips, 1);
    }

    #[test]
    fn statements_are_heard_with_their_parameters() {
        let mut wire = started();
        wire.hear_client(&message(b'P', b"s\0SELECT $1, $2\0\0\0")).unwrap();
        wire.hear_client(&message(b'B', b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\0")).unwrap();
        let expected =
            Sent::Prepared { sql: "SELECT $1, $2".to_owned(), parameters: vec![Some(b"ab".to_vec()), None] };
        assert_eq!(wire.heard.sent, [expected]);
    }

    #[test]
    fn a_refused_request_for_encryption_is_no_round_trip() {
        let mut wire = Wire::default();
        wire.hear_client(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
        wire.hear_server(b"N").unwrap();
        wire.hear_client(&[0, 0, 0, 8, 0, 3, 0, 0]).unwrap();
        assert_eq!((wire.heard.round_trips, wire.is_started), (0, true));
    }
}

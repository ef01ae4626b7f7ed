//! Small readers that together read a body in one pass.
//!
//! An `Err` of serde always means bad syntax. A value of the wrong type is consumed and comes out as a
//! [`ContentError`] *value*, because a later value of the same name may take its place.

use std::borrow::Cow;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::content_error::{Checked, ContentError, Problem};
use crate::{JsonText, SessionKey};

/// Reads the entries of one kind of object.
pub(super) trait Entries<'de>: Copy {
    type Value;

    fn read<A: MapAccess<'de>>(self, entries: A) -> Result<Checked<Self::Value>, A::Error>;
}

/// The text as one object of that kind, with nothing behind it.
pub(super) fn whole<'de, E: Entries<'de>>(
    text: &'de str,
    entries: E,
) -> serde_json::Result<Checked<E::Value>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Object(entries).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Any value; what is not an object is a [`Problem::NotAnObject`].
#[derive(Clone, Copy)]
struct Object<E>(E);

impl<'de, E: Entries<'de>> DeserializeSeed<'de> for Object<E> {
    type Value = Checked<E::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, E: Entries<'de>> Visitor<'de> for Object<E> {
    type Value = Checked<E::Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        self.0.read(entries)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        not_an_object()
    }

    fn visit_unit<X: Error>(self) -> Result<Self::Value, X> {
        not_an_object()
    }

    fn visit_bool<X: Error>(self, _: bool) -> Result<Self::Value, X> {
        not_an_object()
    }

    fn visit_i64<X: Error>(self, _: i64) -> Result<Self::Value, X> {
        not_an_object()
    }

    fn visit_u64<X: Error>(self, _: u64) -> Result<Self::Value, X> {
        not_an_object()
    }

    fn visit_f64<X: Error>(self, _: f64) -> Result<Self::Value, X> {
        not_an_object()
    }

    fn visit_str<X: Error>(self, _: &str) -> Result<Self::Value, X> {
        not_an_object()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "each visitor method returns serde's result around ours")]
fn not_an_object<T, X>() -> Result<Checked<T>, X> {
    Ok(Err(ContentError::new(Problem::NotAnObject)))
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object in which only the field of that name matters, an object too.
#[derive(Clone, Copy)]
pub(super) struct Only<E>(pub(super) &'static str, pub(super) E);

impl<'de, E: Entries<'de>> Entries<'de> for Only<E> {
    type Value = E::Value;

    fn read<A: MapAccess<'de>>(self, mut entries: A) -> Result<Checked<Self::Value>, A::Error> {
        let mut value = Err(ContentError::new(Problem::Missing));
        while let Some(Name(name)) = entries.next_key()? {
            if name == self.0 {
                value = entries.next_value_seed(Object(self.1))?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(value.map_err(|error| error.within(self.0)))
    }
}

/// An object whose names are ids, sorted by them.
#[derive(Clone, Copy)]
pub(super) struct Named<E>(pub(super) E);

impl<'de, E: Entries<'de>> Entries<'de> for Named<E> {
    type Value = Vec<(Cow<'de, str>, E::Value)>;

    fn read<A: MapAccess<'de>>(self, mut entries: A) -> Result<Checked<Self::Value>, A::Error> {
        let mut values = Vec::new();
        while let Some(Name(name)) = entries.next_key()? {
            values.push((name, entries.next_value_seed(Object(self.0))?));
        }
        // The sort is stable, so that walking it backwards meets the last value of each name first.
        values.sort_by(|(left, _), (right, _)| left.cmp(right));
        values.reverse();
        values.dedup_by(|(left, _), (right, _)| left == right);
        values.reverse();
        let check = |(name, value): (Cow<'de, str>, Checked<E::Value>)| match value {
            Ok(value) => Ok((name, value)),
            Err(error) => Err(error.within(&name)),
        };
        Ok(values.into_iter().map(check).collect())
    }
}

/// The four fields of a key.
#[derive(Clone, Copy)]
pub(super) struct Key;

impl<'de> Entries<'de> for Key {
    type Value = SessionKey;

    fn read<A: MapAccess<'de>>(self, mut entries: A) -> Result<Checked<Self::Value>, A::Error> {
        let mut fields = KeyFields::default();
        while let Some(Name(name)) = entries.next_key()? {
            match &*name {
                "first_message_index" => fields.first_message_index = Some(entries.next_value()?),
                "forwarded_count" => fields.forwarded_count = Some(entries.next_value()?),
                "is_verified" => fields.is_verified = Some(entries.next_value()?),
                "session_data" => fields.session_data = Some(entries.next_value()?),
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(fields.check())
    }
}

#[derive(Default)]
struct KeyFields<'a> {
    first_message_index: Option<&'a RawValue>,
    forwarded_count: Option<&'a RawValue>,
    is_verified: Option<&'a RawValue>,
    session_data: Option<&'a RawValue>,
}

impl KeyFields<'_> {
    fn check(self) -> Checked<SessionKey> {
        Ok(SessionKey {
            first_message_index: field("first_message_index", self.first_message_index, integer)?,
            forwarded_count: field("forwarded_count", self.forwarded_count, integer)?,
            is_verified: field("is_verified", self.is_verified, boolean)?,
            session_data: field("session_data", self.session_data, json)?,
        })
    }
}

fn field<T>(name: &str, value: Option<&RawValue>, read: fn(&str) -> Result<T, Problem>) -> Checked<T> {
    let value = value.ok_or(Problem::Missing).and_then(|value| read(value.get()));
    value.map_err(|problem| ContentError::new(problem).within(name))
}

fn integer(text: &str) -> Result<i32, Problem> {
    text.parse().map_err(|_| Problem::NotAnInteger)
}

fn boolean(text: &str) -> Result<bool, Problem> {
    text.parse().map_err(|_| Problem::NotABoolean)
}

fn json(text: &str) -> Result<JsonText, Problem> {
    JsonText::new(text).map_err(Problem::Value)
}

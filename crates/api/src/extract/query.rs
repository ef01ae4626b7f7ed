//! Query strings as Synapse reads them: parameters are separated by `&` or `;`, `+` is a space, names are decoded and case-sensitive,
//! the first value of a repeated name counts, an empty value is one, and a name without `=` means nothing.

use std::borrow::Cow;

use key_backup_model::BackupVersion;
use percent_encoding::percent_decode;

use crate::ApiError;

/// The query string of a request, still encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(crate) fn new(query: &'a str) -> Self {
        Self(query)
    }

    /// The first value of a parameter, decoded; `None` if the parameter is not there.
    pub(crate) fn first(self, name: &str) -> Option<Vec<u8>> {
        self.0.split(['&', ';']).find_map(|part| {
            let (key, value) = part.split_once('=')?;
            (decode(key) == name.as_bytes()).then(|| decode(value))
        })
    }

    /// The parameter `version`, which all operations on keys need.
    ///
    /// Says what the client sent, and which version that is: `None` for a text that names none.
    pub(crate) fn version(self) -> Result<(String, Option<BackupVersion>), ApiError> {
        let value = self.first("version").ok_or(ApiError::MissingQuery("version"))?;
        let text = String::from_utf8(value).ok().filter(|text| text.is_ascii());
        let text = text.ok_or(ApiError::QueryNotAscii("version"))?;
        let version = BackupVersion::parse(&text);
        Ok((text, version))
    }
}

fn decode(text: &str) -> Vec<u8> {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    percent_decode(spaced.as_bytes()).collect()
}

/// The request's target for the log. Nothing is shown of a parameter in which anything like a token is named, but its name: only
/// `access_token` carries one, but a token behind a misspelt name is a token all the same, and so is one behind a second `?`.
pub(crate) fn redacted(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?') else { return target.into() };
    if !names_token(query) {
        return target.into();
    }
    let mut text = format!("{path}?");
    for part in query.split_inclusive(['&', ';']) {
        let bare = part.trim_end_matches(['&', ';']);
        if names_token(bare) {
            text.push_str(plain_name(bare));
            text.push_str("<redacted>");
            text.push_str(&part[bare.len()..]);
        } else {
            text.push_str(part);
        }
    }
    text.into()
}

/// The name with its `=`, or nothing if it is odd enough to hold more than a name: `access_token%3Dsecret`.
fn plain_name(part: &str) -> &str {
    let end = part.find('=').unwrap_or(part.len());
    let is_plain =
        decode(&part[..end]).iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte));
    part.get(..=end).filter(|_| is_plain).unwrap_or("")
}

fn names_token(text: &str) -> bool {
    decode(text).to_ascii_lowercase().windows(5).any(|window| window == b"token")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(query: &str) -> Option<Vec<u8>> {
        Query::new(query).first("version")
    }

    #[test]
    fn the_first_value_counts() {
        assert_eq!(first("version=1&version=2").unwrap(), b"1");
        assert_eq!(first("a=b;version=3;version=4").unwrap(), b"3");
    }

    #[test]
    fn names_and_values_are_decoded() {
        assert_eq!(first("v%65rsion=%31+%2B").unwrap(), b"1 +");
        assert_eq!(first("version=a=b").unwrap(), b"a=b");
        assert_eq!(first("Version=1"), None);
    }

    #[test]
    fn an_empty_value_is_one_but_a_name_without_an_equals_sign_means_nothing() {
        assert_eq!(first("&&version=&x").unwrap(), b"");
        assert_eq!(first("version&version=1").unwrap(), b"1");
        assert_eq!(first("version"), None);
        assert_eq!(first(""), None);
    }

    #[test]
    fn a_version_that_is_not_ascii_is_told_from_one_that_is_missing() {
        assert!(matches!(Query::new("version=%C3%A9").version(), Err(ApiError::QueryNotAscii(_))));
        assert!(matches!(Query::new("").version(), Err(ApiError::MissingQuery(_))));
        assert_eq!(Query::new("version=x").version().unwrap(), ("x".to_owned(), None));
    }

    #[test]
    fn tokens_do_not_reach_the_log_however_they_are_spelled() {
        for (target, logged) in [
            ("/p?version=1", "/p?version=1"),
            ("/p?access_token=x&v=1", "/p?access_token=<redacted>&v=1"),
            (
                "/p?a=1;%61ccess_token=x;access_token=y",
                "/p?a=1;%61ccess_token=<redacted>;access_token=<redacted>",
            ),
            ("/p?Access_Token=x&access-token=y", "/p?Access_Token=<redacted>&access-token=<redacted>"),
            ("/p?access_token", "/p?<redacted>"),
            ("/p?access_token%3Dx&access_token:x&v=1", "/p?<redacted>&<redacted>&v=1"),
            ("/p?v=1?access_token=x&w=2", "/p?v=<redacted>&w=2"),
            ("/p?v=1%3Faccess_token%3Dx", "/p?v=<redacted>"),
            ("/p?access_token=a?access_token=b", "/p?access_token=<redacted>"),
        ] {
            assert_eq!(redacted(target), logged);
        }
    }
}

//! Where a request carries its access token.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use crate::{ApiError, extract::query::Query};

/// The token of a request: from `Authorization: Bearer`, or from the query parameter `access_token`, never from both.
///
/// A token that is not ASCII cannot be one of Synapse's: [`ApiError::UnknownToken`].
pub(crate) fn of(headers: &HeaderMap, query: Query<'_>) -> Result<String, ApiError> {
    let parameter = query.first("access_token");
    let mut headers = headers.get_all(AUTHORIZATION);
    let token = match (headers.next(), parameter) {
        (None, None) => return Err(ApiError::MissingToken("Missing access token")),
        (None, Some(token)) => token,
        (Some(_), Some(_)) => {
            let text = "Mixing Authorization headers and access_token query parameters.";
            return Err(ApiError::MissingToken(text));
        }
        (Some(_), None) if headers.next().is_some() => {
            return Err(ApiError::MissingToken("Too many Authorization headers."));
        }
        (Some(header), None) => bearer(header.as_bytes())?.to_vec(),
    };
    String::from_utf8(token).ok().filter(|token| token.is_ascii()).ok_or(ApiError::UnknownToken)
}

/// Exactly `Bearer`, one space, and the token.
fn bearer(header: &[u8]) -> Result<&[u8], ApiError> {
    match header.strip_prefix(b"Bearer ") {
        Some(token) if !token.contains(&b' ') => Ok(token),
        _ => Err(ApiError::MissingToken("Invalid Authorization header.")),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn token(headers: &[&'static [u8]], query: &str) -> Result<String, String> {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        of(&map, Query::new(query)).map_err(|error| error.parts().2.into_owned())
    }

    #[test]
    fn a_token_comes_from_the_header_or_from_the_query() {
        assert_eq!(token(&[b"Bearer abc"], ""), Ok("abc".to_owned()));
        assert_eq!(token(&[], "access_token=a%62c&access_token=x"), Ok("abc".to_owned()));
        assert_eq!(token(&[], "access_token="), Ok(String::new()));
    }

    #[test]
    fn a_header_is_exactly_bearer_space_token() {
        for header in ["bearer a", "Bearer", "Bearer a b", "Bearer  a", "Basic a", "Bearera"] {
            let invalid = Err("Invalid Authorization header.".to_owned());
            assert_eq!(token(&[header.as_bytes()], ""), invalid, "{header}");
        }
    }

    #[test]
    fn two_tokens_are_refused_whichever_way_they_come() {
        assert_eq!(token(&[b"Bearer a", b"Bearer a"], ""), Err("Too many Authorization headers.".to_owned()));
        let mixed = "Mixing Authorization headers and access_token query parameters.";
        assert_eq!(token(&[b"Bearer a"], "access_token="), Err(mixed.to_owned()));
        assert_eq!(token(&[], ""), Err("Missing access token".to_owned()));
    }

    #[test]
    fn a_token_that_is_not_ascii_is_unknown() {
        assert_eq!(token(&[b"Bearer \xc3\xa9"], ""), Err("Invalid access token passed.".to_owned()));
        assert_eq!(token(&[], "access_token=%ff"), Err("Invalid access token passed.".to_owned()));
    }
}

//! What has to be true of every answer that may come from the Matrix Authentication Service.

use std::time::Duration;

use serde_json::Value;

use super::introspection::Introspection;

/// Reads the body of an answer. Only one that calls the token active, and good for the Matrix API, opens anything.
///
/// # Panics
///
/// When something is not as it has to be.
pub fn introspection(data: &[u8]) {
    let read = Introspection::read(data);
    // A plain reader gives up at numbers beyond a float, which mean nothing here.
    let Ok(answer) = serde_json::from_slice::<Value>(data) else { return };
    match read {
        Ok(read) => {
            assert_eq!(answer["active"], true);
            assert_eq!(answer["username"], *read.username);
            let scope = answer["scope"].as_str().unwrap_or_default();
            assert!(scope.split(' ').any(|word| word.ends_with("client:api:*")), "{scope}");
            assert!(read.lifetime() > Duration::ZERO && read.lifetime() <= Duration::from_mins(2));
        }
        Err(error) => assert!([401, 500, 503].contains(&error.parts().0)),
    }
}

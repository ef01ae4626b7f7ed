//! Counts in Redis, shared by all instances.
//!
//! A user's counts are a hash, `version` to `generation:etag:count`, that Redis forgets a life span after it was begun. The generation is
//! a time, kept beside them: a count of another generation is void. It is never counted up, because Redis may lose it.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use key_backup_model::{BackupVersion, Etag, KeyCount, UserId};
use redis::{AsyncCommands, Script, aio::MultiplexedConnection, pipe};

use super::{Known, choose};
use crate::{Redis, redis::Connection};

/// Writes a pair where it takes the place of the one that was looked up, of none, or of an older one, in the generation of the look-up.
///
/// Keys: the user's hash, the generation. Arguments: the generation of the look-up (empty for none) and one to begin then; the version; the
/// pair that was looked up; the new pair and its etag; 1 if the version is the current one; the life span in milliseconds.
const SET: &str = r"
local generation = redis.call('GET', KEYS[2])
if not generation and ARGV[1] == '' then
  generation = ARGV[2]
  redis.call('SET', KEYS[2], generation)
elseif generation ~= ARGV[1] then
  return 0
end
local old = redis.call('HGET', KEYS[1], ARGV[3])
if old and old ~= generation .. ':' .. ARGV[4] then
  local of_generation, etag = string.match(old, '^(%d+):(%d+):')
  if of_generation == generation and tonumber(etag) >= tonumber(ARGV[6]) then return 0 end
end
if ARGV[7] == '1' then
  for _, version in ipairs(redis.call('HKEYS', KEYS[1])) do
    if tonumber(version) > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], version) end
  end
end
redis.call('HSET', KEYS[1], ARGV[3], generation .. ':' .. ARGV[5])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[8]) end
return 1";

pub(super) struct Shared {
    connection: Connection,
    set: Script,
    prefix: String,
    lifetime: Duration,
}

impl Shared {
    pub(super) fn new(redis: &Redis, server_name: &str, lifetime: Duration) -> Self {
        let prefix = format!("key_backup:{server_name}:");
        Self { connection: redis.connection(), set: Script::new(SET), prefix, lifetime }
    }

    /// The count and the generation; `None` if Redis does not answer.
    pub(super) async fn get(
        &self,
        user: &UserId,
        version: Option<BackupVersion>,
    ) -> Option<(Option<KeyCount>, Option<u64>)> {
        let mut pipeline = pipe();
        pipeline.get(self.generation()).hgetall(self.user(user));
        let request =
            async |mut redis| pipeline.query_async::<(Option<u64>, HashMap<i64, String>)>(&mut redis).await;
        let (generation, pairs) = self.connection.attempt("get_counts", request).await?;
        let counts = pairs.iter().filter_map(|(version, pair)| read(*version, pair, generation?));
        Some((choose(counts, version), generation))
    }

    /// See [`SET`].
    pub(super) async fn set(&self, user: &UserId, known: &Known, count: KeyCount, is_current: bool) {
        let mut set = self.set.key(self.user(user));
        set.key(self.generation())
            .arg(known.shared_generation.map(|generation| generation.to_string()).unwrap_or_default())
            .arg(new_generation())
            .arg(count.version.to_column())
            .arg(known.count.map(pair).unwrap_or_default())
            .arg(pair(count))
            .arg(count.etag.get())
            .arg(u8::from(is_current))
            .arg(u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX).max(1));
        let request = async |mut redis| set.invoke_async::<()>(&mut redis).await;
        self.connection.attempt("set_count", request).await;
    }

    /// Forgets all of a user's counts; `None` if Redis does not answer.
    #[must_use]
    pub(super) async fn forget(&self, user: &UserId) -> Option<()> {
        let request = async |mut redis: MultiplexedConnection| redis.del::<_, ()>(self.user(user)).await;
        self.connection.attempt("forget_counts", request).await
    }

    /// Makes all counts of before void; `None` if Redis does not answer.
    #[must_use]
    pub(super) async fn next_generation(&self) -> Option<()> {
        let request = async |mut redis: MultiplexedConnection| {
            redis.set::<_, _, ()>(self.generation(), new_generation()).await
        };
        self.connection.attempt("next_generation", request).await
    }

    fn generation(&self) -> String {
        format!("{}generation", self.prefix)
    }

    fn user(&self, user: &UserId) -> String {
        format!("{}counts:{user}", self.prefix)
    }
}

/// Microseconds since 1970: no generation was ever called so before.
fn new_generation() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn pair(count: KeyCount) -> String {
    format!("{}:{}", count.etag, count.count)
}

fn read(version: i64, pair: &str, generation: u64) -> Option<KeyCount> {
    let mut parts = pair.splitn(3, ':');
    let of_generation: u64 = parts.next()?.parse().ok()?;
    let etag: i64 = parts.next()?.parse().ok()?;
    let count: i64 = parts.next()?.parse().ok()?;
    let count =
        KeyCount { version: BackupVersion::from_column(version), etag: Etag::from_column(Some(etag)), count };
    (of_generation == generation).then_some(count)
}

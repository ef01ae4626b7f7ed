-- A role for the key-backup worker that may do what the worker does, and nothing else.
--
-- Run it on Synapse's database, as the owner of Synapse's tables or as a superuser, in a search_path that finds them:
--
--     psql -d synapse -f grants.sql
--     psql -d synapse -c '\password key_backup_worker'
--
-- It can be run again, after an update of the worker for one. `key-backup-worker doctor` compares the role with what the worker
-- needs. The password that the second command asks for belongs into `args` of the worker's own `database` section.

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'key_backup_worker') THEN
        CREATE ROLE key_backup_worker LOGIN;
    END IF;
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM key_backup_worker', current_schema());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO key_backup_worker', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO key_backup_worker', current_schema());
END $$;

-- The backups themselves. A version is never deleted, only marked so. xmax is a system column: it tells keys that were added from
-- such that were replaced.
GRANT SELECT (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data, xmax),
      INSERT (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data),
      UPDATE (first_message_index, forwarded_count, is_verified, session_data),
      DELETE
   ON e2e_room_keys TO key_backup_worker;
GRANT SELECT (user_id, version, algorithm, auth_data, deleted, etag),
      INSERT (user_id, version, algorithm, auth_data),
      UPDATE (auth_data, deleted, etag)
   ON e2e_room_keys_versions TO key_backup_worker;

-- Who may enter. Passwords, e-mail addresses and refresh tokens stay out of reach.
GRANT SELECT (id, user_id, device_id, token, valid_until_ms, puppets_user_id, used), UPDATE (used)
   ON access_tokens TO key_backup_worker;
GRANT SELECT (name, is_guest, locked) ON users TO key_backup_worker;
GRANT SELECT (user_id, device_id, hidden) ON devices TO key_backup_worker;
GRANT SELECT (user_id, expiration_ts_ms) ON account_validity TO key_backup_worker;

-- Who is exempt from rate limits.
GRANT SELECT (user_id, messages_per_second, burst_count) ON ratelimit_override TO key_backup_worker;

-- What Synapse has changed: logouts for one.
GRANT SELECT (stream_id, cache_func, keys) ON cache_invalidation_stream_by_instance TO key_backup_worker;

COMMIT;

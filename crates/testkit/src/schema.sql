-- The tables of Synapse that the worker works with, as version 1.163.2 has them in PostgreSQL.
-- Each test database is a copy of a template that is made from this file.

CREATE TABLE users (
    name text UNIQUE,
    password_hash text,
    creation_ts bigint,
    admin smallint NOT NULL DEFAULT 0,
    upgrade_ts bigint,
    is_guest smallint NOT NULL DEFAULT 0,
    appservice_id text,
    consent_version text,
    consent_server_notice_sent text,
    user_type text,
    deactivated smallint NOT NULL DEFAULT 0,
    shadow_banned boolean,
    consent_ts bigint,
    approved boolean,
    locked boolean NOT NULL DEFAULT false,
    suspended boolean NOT NULL DEFAULT false
);

CREATE TABLE devices (
    user_id text NOT NULL,
    device_id text NOT NULL,
    display_name text,
    last_seen bigint,
    ip text,
    user_agent text,
    hidden boolean DEFAULT false,
    CONSTRAINT device_uniqueness UNIQUE (user_id, device_id)
);

CREATE TABLE refresh_tokens (
    id bigint PRIMARY KEY,
    user_id text NOT NULL,
    device_id text NOT NULL,
    token text NOT NULL UNIQUE,
    next_token_id bigint REFERENCES refresh_tokens (id) ON DELETE CASCADE,
    expiry_ts bigint,
    ultimate_session_expiry_ts bigint
);

CREATE TABLE access_tokens (
    id bigint PRIMARY KEY,
    user_id text NOT NULL,
    device_id text,
    token text NOT NULL UNIQUE,
    valid_until_ms bigint,
    puppets_user_id text,
    last_validated bigint,
    refresh_token_id bigint REFERENCES refresh_tokens (id) ON DELETE CASCADE,
    used boolean
);
CREATE INDEX access_tokens_device_id ON access_tokens (user_id, device_id);

CREATE TABLE account_validity (
    user_id text PRIMARY KEY,
    expiration_ts_ms bigint NOT NULL,
    email_sent boolean NOT NULL,
    renewal_token text,
    token_used_ts_ms bigint
);

CREATE TABLE e2e_room_keys_versions (
    user_id text NOT NULL,
    version bigint NOT NULL,
    algorithm text NOT NULL,
    auth_data text NOT NULL,
    deleted smallint NOT NULL DEFAULT 0,
    etag bigint
);
CREATE UNIQUE INDEX e2e_room_keys_versions_idx ON e2e_room_keys_versions (user_id, version);

CREATE TABLE e2e_room_keys (
    user_id text NOT NULL,
    room_id text NOT NULL,
    session_id text NOT NULL,
    version bigint NOT NULL,
    first_message_index integer,
    forwarded_count integer,
    is_verified boolean,
    session_data text NOT NULL
);
CREATE UNIQUE INDEX e2e_room_keys_with_version_idx ON e2e_room_keys (user_id, version, room_id, session_id);

CREATE TABLE ratelimit_override (user_id text NOT NULL, messages_per_second bigint, burst_count bigint);
CREATE UNIQUE INDEX ratelimit_override_idx ON ratelimit_override (user_id);

CREATE TABLE schema_version (
    lock character(1) NOT NULL DEFAULT 'X' UNIQUE CHECK (lock = 'X'),
    version integer NOT NULL,
    upgraded boolean NOT NULL
);
INSERT INTO schema_version (version, upgraded) VALUES (94, true);

CREATE TABLE schema_compat_version (
    lock character(1) NOT NULL DEFAULT 'X' UNIQUE CHECK (lock = 'X'),
    compat_version integer NOT NULL
);
INSERT INTO schema_compat_version (compat_version) VALUES (84);

CREATE TABLE cache_invalidation_stream_by_instance (
    stream_id bigint NOT NULL,
    instance_name text NOT NULL,
    cache_func text NOT NULL,
    keys text[],
    invalidation_ts bigint
);
CREATE UNIQUE INDEX cache_invalidation_stream_by_instance_id ON cache_invalidation_stream_by_instance (stream_id);
CREATE SEQUENCE cache_invalidation_stream_seq;

-- The part of uuid-ossp that PostgreSQL can do without a library: constants, version 3 (MD5) and version 4 (random).
-- Version 1 needs the machine's address and a clock sequence, version 5 needs SHA-1: calling them is an error, not a guess.

\echo Use 'CREATE EXTENSION "uuid-ossp"' to load this file. \quit

CREATE FUNCTION uuid_nil() RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT '00000000-0000-0000-0000-000000000000'::pg_catalog.uuid $$;

CREATE FUNCTION uuid_ns_dns() RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid $$;

CREATE FUNCTION uuid_ns_url() RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid $$;

CREATE FUNCTION uuid_ns_oid() RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid $$;

CREATE FUNCTION uuid_ns_x500() RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid $$;

CREATE FUNCTION uuid_generate_v3(namespace uuid, name text) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
        SELECT (pg_catalog.substr(hash, 1, 12) || '3' || pg_catalog.substr(hash, 14, 3)
            || pg_catalog.to_hex((('x' || pg_catalog.substr(hash, 17, 1))::pg_catalog.bit(4)::pg_catalog.int4 & 3) | 8)
            || pg_catalog.substr(hash, 18))::pg_catalog.uuid
        FROM pg_catalog.md5(pg_catalog.uuid_send(namespace) || pg_catalog.convert_to(name, 'UTF8')) AS hash
    $$;

CREATE FUNCTION uuid_generate_v4() RETURNS uuid
    LANGUAGE internal VOLATILE STRICT PARALLEL SAFE
    AS 'gen_random_uuid';

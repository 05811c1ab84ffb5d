-- Who did what. Rows outlive what they speak of, so they name it and refer to nothing.
-- What refuses changes is each database's own: see postgres/ and sqlite/.

CREATE TABLE audit_log (
    -- Sorts by time.
    id              text PRIMARY KEY,
    application_id  text NOT NULL,
    at              timestamptz NOT NULL,
    -- `api_key` or `cli`.
    actor           text NOT NULL,
    key_id          text,
    key_name        text,
    -- Such as `connection.create`.
    action          text NOT NULL,
    method          text,
    route           text,
    customer_id     text,
    connection_id   text,
    provider_name   text,
    -- Method and path of the request to the provider, without a query.
    provider_request text,
    result          text NOT NULL CHECK (result IN ('ok', 'denied', 'failed')),
    status          bigint,
    request_id      text,
    -- One line of plain English.
    message         text NOT NULL
);

CREATE INDEX audit_log_by_application ON audit_log (application_id, id);

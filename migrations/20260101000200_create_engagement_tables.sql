-- The common-model tables: made to be queried with SQL.
--
-- One typed column per common field. created_at and updated_at are the provider's; last_modified_at
-- is when Syncline recorded the change. content_hash tells an unchanged record from a changed one
-- and means nothing to readers.
--
-- The second index begins with the connection, not with the key's own columns: as long as a table
-- has no statistics PostgreSQL can't tell two indexes with the same prefix apart, and looks records
-- up by walking the whole customer.

CREATE TABLE engagement_users (
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_name text NOT NULL,
    id text NOT NULL,
    connection_id text NOT NULL,
    first_name text,
    last_name text,
    email text,
    is_locked boolean,
    created_at timestamptz,
    updated_at timestamptz,
    is_deleted boolean NOT NULL,
    deleted_at timestamptz,
    last_modified_at timestamptz NOT NULL,
    content_hash bigint NOT NULL,
    raw_data jsonb NOT NULL,
    PRIMARY KEY (application_id, customer_id, provider_name, id)
);
CREATE INDEX engagement_users_modified
    ON engagement_users (connection_id, last_modified_at, id);

CREATE TABLE engagement_mailboxes (
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_name text NOT NULL,
    id text NOT NULL,
    connection_id text NOT NULL,
    email text,
    user_id text,
    is_disabled boolean,
    created_at timestamptz,
    updated_at timestamptz,
    is_deleted boolean NOT NULL,
    deleted_at timestamptz,
    last_modified_at timestamptz NOT NULL,
    content_hash bigint NOT NULL,
    raw_data jsonb NOT NULL,
    PRIMARY KEY (application_id, customer_id, provider_name, id)
);
CREATE INDEX engagement_mailboxes_modified
    ON engagement_mailboxes (connection_id, last_modified_at, id);

CREATE TABLE engagement_sequences (
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_name text NOT NULL,
    id text NOT NULL,
    connection_id text NOT NULL,
    owner_id text,
    is_enabled boolean NOT NULL,
    name text,
    tags jsonb NOT NULL,
    num_steps bigint NOT NULL,
    metrics jsonb NOT NULL,
    is_archived boolean NOT NULL,
    share_type text NOT NULL,
    created_at timestamptz,
    updated_at timestamptz,
    is_deleted boolean NOT NULL,
    deleted_at timestamptz,
    last_modified_at timestamptz NOT NULL,
    content_hash bigint NOT NULL,
    raw_data jsonb NOT NULL,
    PRIMARY KEY (application_id, customer_id, provider_name, id)
);
CREATE INDEX engagement_sequences_modified
    ON engagement_sequences (connection_id, last_modified_at, id);

CREATE TABLE engagement_accounts (
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_name text NOT NULL,
    id text NOT NULL,
    connection_id text NOT NULL,
    owner_id text,
    name text,
    domain text,
    created_at timestamptz,
    updated_at timestamptz,
    is_deleted boolean NOT NULL,
    deleted_at timestamptz,
    last_modified_at timestamptz NOT NULL,
    content_hash bigint NOT NULL,
    raw_data jsonb NOT NULL,
    PRIMARY KEY (application_id, customer_id, provider_name, id)
);
CREATE INDEX engagement_accounts_modified
    ON engagement_accounts (connection_id, last_modified_at, id);

CREATE TABLE engagement_contacts (
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_name text NOT NULL,
    id text NOT NULL,
    connection_id text NOT NULL,
    owner_id text,
    account_id text,
    first_name text,
    last_name text,
    job_title text,
    address jsonb,
    email_addresses jsonb NOT NULL,
    phone_numbers jsonb NOT NULL,
    open_count bigint NOT NULL,
    click_count bigint NOT NULL,
    reply_count bigint NOT NULL,
    bounced_count bigint NOT NULL,
    created_at timestamptz,
    updated_at timestamptz,
    is_deleted boolean NOT NULL,
    deleted_at timestamptz,
    last_modified_at timestamptz NOT NULL,
    content_hash bigint NOT NULL,
    raw_data jsonb NOT NULL,
    PRIMARY KEY (application_id, customer_id, provider_name, id)
);
CREATE INDEX engagement_contacts_modified
    ON engagement_contacts (connection_id, last_modified_at, id);

CREATE TABLE engagement_sequence_states (
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_name text NOT NULL,
    id text NOT NULL,
    connection_id text NOT NULL,
    state text,
    contact_id text,
    mailbox_id text,
    user_id text,
    sequence_id text,
    created_at timestamptz,
    updated_at timestamptz,
    is_deleted boolean NOT NULL,
    deleted_at timestamptz,
    last_modified_at timestamptz NOT NULL,
    content_hash bigint NOT NULL,
    raw_data jsonb NOT NULL,
    PRIMARY KEY (application_id, customer_id, provider_name, id)
);
CREATE INDEX engagement_sequence_states_modified
    ON engagement_sequence_states (connection_id, last_modified_at, id);

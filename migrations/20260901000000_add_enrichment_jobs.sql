-- Enrichment: lists of people or companies that a provider is asked about, with several keys.

CREATE TABLE enrichment_jobs (
    id text PRIMARY KEY,
    application_id text NOT NULL,
    customer_id text NOT NULL,
    connection_id text NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    provider_name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('people', 'companies')),
    -- model::enrichment::MatchOptions
    options jsonb NOT NULL,
    reuse_days bigint NOT NULL,
    -- Whether what was asked before, and whose answer was lost, is asked again.
    retry_uncertain boolean NOT NULL,
    max_credits bigint,
    -- The names of the input's columns, if it was CSV.
    columns jsonb,
    -- SHA-256 of list and options, by which the command line finds its unfinished job.
    fingerprint text,
    -- It belongs to a command in the foreground, and no other process works on it.
    foreground boolean NOT NULL,
    state text NOT NULL CHECK (
        state IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')
    ),
    -- When a worker may take it: at once, when its wait is over, or when its lease expires.
    due_at timestamptz NOT NULL,
    waiting_reason text,
    lease_owner text,
    fence bigint NOT NULL,
    total bigint NOT NULL,
    matched bigint NOT NULL,
    not_matched bigint NOT NULL,
    failed bigint NOT NULL,
    uncertain bigint NOT NULL,
    reused bigint NOT NULL,
    credits_spent bigint NOT NULL,
    -- The most that open batches, lost answers and late answers may have cost.
    credits_reserved bigint NOT NULL,
    -- Items whose late answers are still to come.
    awaited bigint NOT NULL,
    -- Requests in a row that the provider did not answer.
    failures bigint NOT NULL,
    error text,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX enrichment_jobs_due ON enrichment_jobs (due_at)
    WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX enrichment_jobs_running ON enrichment_jobs (connection_id) WHERE state = 'running';
CREATE INDEX enrichment_jobs_waiting ON enrichment_jobs (connection_id) WHERE state = 'waiting';
CREATE INDEX enrichment_jobs_connection ON enrichment_jobs (connection_id, id);
CREATE INDEX enrichment_jobs_application ON enrichment_jobs (application_id, id);
CREATE INDEX enrichment_jobs_fingerprint ON enrichment_jobs (connection_id, fingerprint)
    WHERE fingerprint IS NOT NULL;
CREATE INDEX enrichment_jobs_expiry ON enrichment_jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE enrichment_items (
    job_id text NOT NULL REFERENCES enrichment_jobs (id) ON DELETE CASCADE,
    -- From 1, in the order of the list.
    position bigint NOT NULL,
    -- The line of a CSV file that it begins at.
    line bigint,
    ref text,
    -- model::enrichment::Lead, and the cells of its line.
    lead jsonb NOT NULL,
    cells jsonb,
    -- SHA-256 of what is asked; null if nothing can be asked.
    question text,
    -- The position of the first item with the same question, which is asked for both.
    same_as bigint,
    status text NOT NULL CHECK (
        status IN ('pending', 'asked', 'matched', 'not_matched', 'failed', 'uncertain')
    ),
    batch_id text,
    answer_id text,
    reused boolean NOT NULL,
    error text,
    PRIMARY KEY (job_id, position)
);
CREATE INDEX enrichment_items_pending ON enrichment_items (job_id, position)
    WHERE status = 'pending' AND same_as IS NULL;
CREATE INDEX enrichment_items_asked ON enrichment_items (job_id, batch_id) WHERE status = 'asked';
CREATE INDEX enrichment_items_same ON enrichment_items (job_id, same_as) WHERE same_as IS NOT NULL;
CREATE INDEX enrichment_items_answer ON enrichment_items (answer_id) WHERE answer_id IS NOT NULL;

-- What was asked for an application: a question that is being asked, what was paid for, and questions
-- whose answer was lost. What the provider doesn't know is not kept.
CREATE TABLE enrichment_answers (
    id text PRIMARY KEY,
    application_id text NOT NULL,
    provider_name text NOT NULL,
    question text NOT NULL,
    state text NOT NULL CHECK (state IN ('asked', 'matched', 'uncertain')),
    job_id text NOT NULL,
    batch_id text NOT NULL,
    asked_at timestamptz NOT NULL,
    -- The provider's id, by which late answers name it.
    provider_id text,
    -- model::enrichment::Enriched, and the provider's JSON.
    enriched jsonb,
    raw_data jsonb,
    -- Something is still to be told: by this batch's callback, or by that of another batch that asked
    -- about the same person before.
    awaited boolean NOT NULL,
    -- This batch's callback has not told of it yet, and may cost something then.
    late_due boolean NOT NULL,
    -- When a late answer came last.
    late_at timestamptz,
    -- A newer row has the same question.
    superseded boolean NOT NULL
);
CREATE UNIQUE INDEX enrichment_answers_question
    ON enrichment_answers (application_id, provider_name, question) WHERE NOT superseded;
CREATE INDEX enrichment_answers_batch ON enrichment_answers (batch_id);
CREATE INDEX enrichment_answers_person
    ON enrichment_answers (application_id, provider_name, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX enrichment_answers_expiry ON enrichment_answers (asked_at);

-- One request each, with what it cost or may have cost.
CREATE TABLE enrichment_batches (
    id text PRIMARY KEY,
    application_id text NOT NULL,
    -- Null for a caller's own request.
    job_id text REFERENCES enrichment_jobs (id) ON DELETE CASCADE,
    -- connection_keys.id, or the connection's id for its main key.
    key_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('sent', 'answered', 'refused', 'uncertain')),
    fence bigint NOT NULL,
    sent_at timestamptz NOT NULL,
    -- What it cost, and the most that it may cost further.
    credits_spent bigint NOT NULL,
    credits_reserved bigint NOT NULL,
    -- SHA-256 of the secret in the address that late answers come to, and until when they are taken.
    callback text,
    callback_until timestamptz
);
CREATE INDEX enrichment_batches_sent ON enrichment_batches (sent_at) WHERE state = 'sent';
CREATE INDEX enrichment_batches_job ON enrichment_batches (job_id);
CREATE INDEX enrichment_batches_expiry ON enrichment_batches (sent_at) WHERE job_id IS NULL;
-- What was spent with a key in 24 hours is summed from the index alone.
CREATE INDEX enrichment_batches_key
    ON enrichment_batches (key_id, sent_at, credits_spent, credits_reserved);
CREATE UNIQUE INDEX enrichment_batches_callback ON enrichment_batches (callback)
    WHERE callback IS NOT NULL;
CREATE INDEX enrichment_batches_callback_until ON enrichment_batches (callback_until)
    WHERE callback IS NOT NULL;

-- Late answers that came before their batch's answer was stored: by batch and person.
CREATE TABLE enrichment_early (
    batch_id text NOT NULL REFERENCES enrichment_batches (id) ON DELETE CASCADE,
    provider_id text NOT NULL,
    answer jsonb NOT NULL,
    -- What the provider took; with one person of several.
    credits bigint NOT NULL,
    PRIMARY KEY (batch_id, provider_id)
);
CREATE INDEX enrichment_early_person ON enrichment_early (provider_id);

-- Further keys of a connection, and what is known of its main key, whose row has the connection's id.
CREATE TABLE connection_keys (
    id text PRIMARY KEY,
    application_id text NOT NULL,
    connection_id text NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    label text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('self', 'managed')),
    -- Sealed; null for the main key, whose credentials are the connection's.
    credentials text,
    -- The account name that is derived from the key, and whose limits it uses.
    own_account_id text NOT NULL,
    account_id text NOT NULL,
    max_credits_per_day bigint,
    status text NOT NULL CHECK (status IN ('active', 'rejected', 'forbidden', 'used_up')),
    status_reason text,
    -- When a key that is passed over is tried again.
    retry_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL,
    UNIQUE (connection_id, own_account_id)
);
CREATE INDEX connection_keys_account ON connection_keys (account_id);

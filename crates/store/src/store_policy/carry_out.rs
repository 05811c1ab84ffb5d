//! Carries policies out on what is stored already, in small steps.
//!
//! A step is one transaction that holds its task's row, so several processes share the work, and
//! whoever is killed leaves the task where it was. It goes through an object's rows by id: those
//! that are too old are removed, and of the others what isn't stored any more is cleared. Where
//! nothing is to be stored, what else names the records follows: the entries of records that have
//! no row any more, and the ids of carriers.
//!
//! On SQLite the last step empties the write-ahead log, which still has what was removed.

use chrono::TimeDelta;
use sqlx::{AssertSqlSafe, types::Json};
use sqlx_macros::FromRow;
use syncline_model::{
    Account, Contact, Mailbox, Object, Record, Sequence, SequenceState, StoreLevel, StorePolicy,
    Time, User, event::ConnectionRef,
};

use super::stored;
use crate::{
    Store, StoreError,
    carriers::Carriers,
    db::{Db, Tx, run},
    providers::parse_provider,
    records::{Origin, Row, Table, Way, Writing},
    retry::with_retry,
    syncs::parse_object,
    timestamp::{Timestamp, at},
};

/// Rows of a step: few enough that other writers hardly wait for it.
const ROWS: usize = 250;
/// Pages of runs of a step.
const PAGES: i64 = 50;
/// How often retention looks for what has become too old.
pub(crate) const RETENTION_EVERY: TimeDelta = TimeDelta::hours(1);

/// A task begins with the rows.
pub(super) const FIRST_STAGE: &str = "rows";
/// Missing and history entries without a row.
const TRACES: &str = "traces";
/// Ids of contacts that runs of sequence states keep.
const CARRIERS: &str = "carriers";

/// A task, locked by its step.
#[derive(Debug)]
pub(crate) struct Task {
    id: String,
    pub(crate) application_id: String,
    pub(crate) provider_name: String,
    /// `None`: it is about the results of enrichment.
    connection: Option<ConnectionRef>,
    pub(crate) object: Object,
    pub(crate) policy: StorePolicy,
    pending_since: Option<Time>,
    stage: String,
    pub(crate) position: String,
}

#[derive(FromRow)]
struct TaskRow {
    id: String,
    application_id: String,
    provider_name: String,
    connection_id: Option<String>,
    customer_id: Option<String>,
    provider_id: Option<String>,
    object: String,
    policy: Json<StorePolicy>,
    pending_since: Option<Timestamp>,
    stage: String,
    position: String,
}

/// Where a task goes on.
pub(crate) enum Next {
    At(String),
    Stage(&'static str),
    Done,
}

/// The times by which a row's age is judged.
#[derive(FromRow)]
struct RowTimes {
    id: String,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
}

impl Store {
    /// Does one step of what is due; `false` if nothing is.
    pub async fn carry_out_policy(&self) -> Result<bool, StoreError> {
        const DUE: &str = "SELECT EXISTS (SELECT 1 FROM store_tasks WHERE due_at <= $1)";
        let now = self.now();
        let mut reader = self.db.read().await?;
        let is_due: bool = run!(reader, |c| sqlx::query_scalar(DUE)
            .bind(at(now))
            .fetch_one(c)
            .await)?;
        drop(reader);
        if !is_due {
            return Ok(false);
        }
        with_retry(|| self.carry_out_once()).await
    }

    async fn carry_out_once(&self) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let Some(task) = self.lock_due_task(&mut tx).await? else {
            return Ok(false);
        };
        let next = match &task.connection {
            Some(connection) => self.step_of_connection(&mut tx, connection, &task).await?,
            None => self.step_of_results(&mut tx, &task).await?,
        };
        let is_done = matches!(next, Next::Done);
        self.move_task(&mut tx, &task, next).await?;
        tx.commit().await?;
        if is_done && task.pending_since.is_some() {
            self.empty_log().await?;
        }
        Ok(true)
    }

    async fn lock_due_task(&self, tx: &mut Tx) -> Result<Option<Task>, StoreError> {
        macro_rules! sql {
            ($lock:literal) => {
                concat!(
                    "SELECT t.id, t.application_id, t.provider_name, t.connection_id,
                            c.customer_id, c.provider_id, t.object, t.policy, t.pending_since,
                            t.stage, t.position
                     FROM store_tasks t LEFT JOIN connections c ON c.id = t.connection_id
                     WHERE t.due_at <= $1 ORDER BY t.due_at LIMIT 1",
                    $lock
                )
            };
        }
        let sql = match &self.db {
            Db::Pg(_) => sql!(" FOR UPDATE OF t SKIP LOCKED"),
            Db::Lite { .. } => sql!(""),
        };
        let now = self.now();
        let row: Option<TaskRow> = run!(tx, |c| sqlx::query_as(sql)
            .bind(at(now))
            .fetch_optional(c)
            .await)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn move_task(&self, tx: &mut Tx, task: &Task, next: Next) -> Result<(), StoreError> {
        const MOVE: &str = "UPDATE store_tasks SET stage = $2, position = $3 WHERE id = $1";
        const AGAIN: &str = "
            UPDATE store_tasks SET pending_since = NULL, due_at = $4, stage = $2, position = $3
            WHERE id = $1";
        const DELETE: &str = "DELETE FROM store_tasks WHERE id = $1";
        let again = self.now() + task.again_after();
        let (stage, position) = match &next {
            Next::At(position) => (task.stage.as_str(), position.as_str()),
            Next::Stage(stage) => (*stage, ""),
            Next::Done => (FIRST_STAGE, ""),
        };
        match next {
            Next::Done if task.comes_again() => run!(tx, |c| sqlx::query(AGAIN)
                .bind(&task.id)
                .bind(stage)
                .bind(position)
                .bind(at(again))
                .execute(c)
                .await
                .map(drop))?,
            Next::Done => run!(tx, |c| sqlx::query(DELETE)
                .bind(&task.id)
                .execute(c)
                .await
                .map(drop))?,
            Next::At(_) | Next::Stage(_) => run!(tx, |c| sqlx::query(MOVE)
                .bind(&task.id)
                .bind(stage)
                .bind(position)
                .execute(c)
                .await
                .map(drop))?,
        }
        Ok(())
    }

    async fn step_of_connection(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        task: &Task,
    ) -> Result<Next, StoreError> {
        match task.stage.as_str() {
            TRACES => self.remove_traces(tx, connection, task).await,
            CARRIERS => self.digest_carriers(tx, connection, task).await,
            _ => self.go_through_rows(tx, connection, task).await,
        }
    }

    async fn go_through_rows(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        task: &Task,
    ) -> Result<Next, StoreError> {
        // Rows are written under these locks, and removed too.
        let held = self.hold_syncs(tx, connection, &[task.object]).await?;
        let rows = self.row_times(tx, connection, task).await?;
        let now = self.now();
        let too_old = |row: &&RowTimes| !is_kept(&task.policy, row, now);
        let ids: Vec<&str> = rows.iter().filter(too_old).map(|row| &*row.id).collect();
        self.remove_records(tx, connection, task.object, &ids)
            .await?;
        if let Some(last) = rows.last()
            && !task.policy.keeps_raw_data()
            && task.policy.level != StoreLevel::None
            && task.pending_since.is_some()
        {
            let rows = (task.position.as_str(), last.id.as_str());
            // Otherwise the config no longer has the object, and its rows are left alone.
            if held.contains_key(&task.object) {
                self.clear_rows(tx, connection, task, rows).await?;
            }
        }
        Ok(match rows.last() {
            Some(last) if rows.len() == ROWS => Next::At(last.id.clone()),
            _ if task.policy.level == StoreLevel::None => Next::Stage(TRACES),
            _ => Next::Done,
        })
    }

    async fn row_times(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        task: &Task,
    ) -> Result<Vec<RowTimes>, StoreError> {
        let sql = format!(
            "SELECT id, created_at, updated_at, deleted_at FROM {}
             WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3 AND id > $4
             ORDER BY id LIMIT {ROWS}",
            task.object.table()
        );
        Ok(run!(tx, |c| sqlx::query_as(AssertSqlSafe(sql))
            .bind(&connection.application_id)
            .bind(&connection.customer_id)
            .bind(connection.provider.as_str())
            .bind(&task.position)
            .fetch_all(c)
            .await)?)
    }

    /// Clears what isn't stored any more, in the rows after the first up to the second id. They
    /// count as changed, so that readers see it.
    async fn clear_rows(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        task: &Task,
        rows: (&str, &str),
    ) -> Result<(), StoreError> {
        macro_rules! clear {
            ($record:ident) => {
                self.clear_rows_of::<$record>(tx, connection, task, rows)
                    .await
            };
        }
        match task.object {
            Object::User => clear!(User),
            Object::Mailbox => clear!(Mailbox),
            Object::Sequence => clear!(Sequence),
            Object::Account => clear!(Account),
            Object::Contact => clear!(Contact),
            Object::SequenceState => clear!(SequenceState),
        }
    }

    async fn clear_rows_of<T: Table>(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        task: &Task,
        rows: (&str, &str),
    ) -> Result<(), StoreError> {
        let rows: Vec<Row<T>> = self.rows_between(tx, connection, rows).await?;
        let records: Vec<Record<T>> = rows.into_iter().map(Row::into_record).collect();
        let records = stored(&task.policy, &records, self.now());
        let origin = Origin::Policy;
        let changes = self.compare(tx, connection, &records, origin).await?;
        let writing = Writing {
            run_id: None,
            origin,
            way: Way::Upsert,
        };
        self.write_changes(tx, connection, writing, &records, &changes)
            .await?;
        Ok(())
    }

    /// Removes the missing and history entries of an object of which nothing is stored.
    async fn remove_traces(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        task: &Task,
    ) -> Result<Next, StoreError> {
        const MISSING: &str = "
            DELETE FROM missing_records WHERE connection_id = $1 AND object = $2
              AND record_id IN (
                SELECT record_id FROM missing_records WHERE connection_id = $1 AND object = $2
                ORDER BY record_id LIMIT $3)";
        const HISTORY: &str = "
            DELETE FROM record_history WHERE id IN (
                SELECT id FROM record_history WHERE connection_id = $1 AND object = $2
                ORDER BY record_id, id LIMIT $3)";
        let most = i64::try_from(ROWS).unwrap_or(i64::MAX);
        let mut removed = 0;
        for sql in [MISSING, HISTORY] {
            removed += run!(tx, |c| sqlx::query(sql)
                .bind(&connection.connection_id)
                .bind(task.object.as_str())
                .bind(most)
                .execute(c)
                .await?
                .rows_affected());
        }
        Ok(match removed {
            0 if task.object == Object::Contact => Next::Stage(CARRIERS),
            0 => Next::Done,
            _ => Next::At(String::new()),
        })
    }

    /// Makes digests of the ids of contacts that runs of sequence states keep.
    async fn digest_carriers(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        task: &Task,
    ) -> Result<Next, StoreError> {
        const PAGES_WITH_IDS: &str = "
            SELECT p.run_id, p.pass, p.page, p.carriers
            FROM syncs s JOIN sync_runs r ON r.sync_id = s.id
            JOIN sync_run_pages p ON p.run_id = r.id
            WHERE s.connection_id = $1 AND s.carried_in = $2 AND p.carriers IS NOT NULL
              AND substr(CAST(p.carriers AS text), 1, 1) = '['
            LIMIT $3";
        const UPDATE: &str = "
            UPDATE sync_run_pages SET carriers = $4 WHERE run_id = $1 AND pass = $2 AND page = $3";
        type Page = (String, i64, i64, Json<Carriers>);
        let pages: Vec<Page> = run!(tx, |c| sqlx::query_as(PAGES_WITH_IDS)
            .bind(&connection.connection_id)
            .bind(task.object.as_str())
            .bind(PAGES)
            .fetch_all(c)
            .await)?;
        if pages.is_empty() {
            return Ok(Next::Done);
        }
        for (run_id, pass, page, Json(carriers)) in pages {
            let digested = Json(carriers.digested(&run_id));
            run!(tx, |c| sqlx::query(UPDATE)
                .bind(&run_id)
                .bind(pass)
                .bind(page)
                .bind(&digested)
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(Next::At(String::new()))
    }
}

/// Whether a row is stored, by its age and by when it was deleted.
fn is_kept(policy: &StorePolicy, row: &RowTimes, now: Time) -> bool {
    let time = |time: Option<Timestamp>| time.map(Into::into);
    let deleted: Option<Time> = time(row.deleted_at);
    let since = policy.stored_since(now);
    policy.retains(time(row.created_at), time(row.updated_at), now)
        && deleted.is_none_or(|deleted| since.is_none_or(|since| deleted >= since))
}

impl Task {
    pub(crate) fn is_at(&self, stage: &str) -> bool {
        self.stage == stage
    }

    /// Whether there will be something to do again under the same policy.
    fn comes_again(&self) -> bool {
        self.policy.retain_days.is_some()
            || (self.connection.is_none() && self.policy.level == StoreLevel::None)
    }

    fn again_after(&self) -> TimeDelta {
        match self.connection {
            Some(_) => RETENTION_EVERY,
            None => RESULTS_EVERY,
        }
    }
}

/// How often results of enrichment are removed that may no longer be stored.
const RESULTS_EVERY: TimeDelta = TimeDelta::minutes(15);

impl TryFrom<TaskRow> for Task {
    type Error = StoreError;

    fn try_from(row: TaskRow) -> Result<Self, StoreError> {
        let object = parse_object("store_tasks", &row.id, &row.object)?;
        let connection = match (row.connection_id, row.customer_id, row.provider_id) {
            (Some(connection_id), Some(customer_id), Some(provider_id)) => Some(ConnectionRef {
                application_id: row.application_id.clone(),
                provider: parse_provider("store_tasks", &row.id, &row.provider_name)?,
                connection_id,
                customer_id,
                provider_id,
            }),
            _ => None,
        };
        Ok(Self {
            connection,
            object,
            policy: row.policy.0,
            pending_since: row.pending_since.map(Into::into),
            id: row.id,
            application_id: row.application_id,
            provider_name: row.provider_name,
            stage: row.stage,
            position: row.position,
        })
    }
}

//! The cost of idle processes: their CPU time and memory, and the CPU time of its sessions in
//! PostgreSQL.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::{database::Open, service::Service};

/// The kernel counts CPU time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    /// Percent of one core, of all processes together.
    pub(crate) service_cpu: f64,
    /// `None` if the database is embedded in the service.
    pub(crate) database_cpu: Option<f64>,
    /// Of one process, the largest.
    pub(crate) resident_bytes: u64,
}

pub(crate) async fn measure(
    services: &[Service],
    open: &mut Open,
    time: Duration,
) -> anyhow::Result<Idle> {
    let processes: Option<Vec<u32>> = services.iter().map(Service::process_id).collect();
    let processes = processes.context("a service has ended")?;
    let sessions = sessions(open).await?;
    let began = Instant::now();
    let (service_before, sessions_before) = (ticks_of(&processes), ticks_of(&sessions));
    tokio::time::sleep(time).await;
    let took = began.elapsed().as_secs_f64();
    let percent = |ticks: f64| 100.0 * ticks / TICKS_PER_SECOND / took;
    Ok(Idle {
        service_cpu: percent(ticks_of(&processes) - service_before),
        database_cpu: open
            .is_postgres()
            .then(|| percent(ticks_of(&sessions) - sessions_before)),
        resident_bytes: services
            .iter()
            .filter_map(Service::resident_bytes)
            .max()
            .unwrap_or_default(),
    })
}

/// PostgreSQL's backend processes of other clients.
async fn sessions(open: &mut Open) -> anyhow::Result<Vec<u32>> {
    if !open.is_postgres() {
        return Ok(Vec::new());
    }
    let sql = "SELECT CAST(pid AS text) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let pids = open.texts(sql.to_owned()).await?;
    Ok(pids.iter().filter_map(|pid| pid.parse().ok()).collect())
}

/// In user mode and in the kernel; 0 for a process that has ended.
fn ticks_of(processes: &[u32]) -> f64 {
    processes
        .iter()
        .filter_map(|id| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The fields after the name, which may contain spaces.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let user: f64 = fields.get(11)?.parse().ok()?;
            let kernel: f64 = fields.get(12)?.parse().ok()?;
            Some(user + kernel)
        })
        .sum()
}

//! The cost of a command, measured from outside: CPU seconds and peak memory.
//!
//! The kernel keeps one sum for all ended children of a process, and a child's peak memory starts
//! at its parent's. So every command runs as the only child of a small process: this program again,
//! as `syncline-bench cost -- COMMAND`.

use std::process::Stdio;

use anyhow::{Context, ensure};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

/// The cost of one command.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// In user mode and in the kernel, for all threads together.
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Outcome {
    cost: Cost,
    success: bool,
    output: String,
}

/// Runs the command and returns its output. A failed command is an error.
pub(crate) async fn of(command: &std::process::Command) -> anyhow::Result<(Cost, String)> {
    let mut meter = tokio::process::Command::new(std::env::current_exe()?);
    meter
        .args(["cost", "--"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    if let Some(dir) = command.get_current_dir() {
        meter.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => meter.env(name, value),
            None => meter.env_remove(name),
        };
    }
    let answer = meter.output().await?;
    ensure!(answer.status.success(), "`syncline-bench cost` failed");
    let outcome: Outcome = serde_json::from_slice(&answer.stdout)?;
    ensure!(
        outcome.success,
        "{} failed; what it said is above",
        command.get_program().display()
    );
    Ok((outcome.cost, outcome.output))
}

/// The other side of [`of`]: runs the command of this process.
#[expect(clippy::print_stdout, reason = "the answer to the process that asked")]
pub(crate) fn run_and_print(command: &[String]) -> anyhow::Result<()> {
    let (program, args) = command.split_first().context("no command")?;
    let done = std::process::Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{program} can't be started"))?;
    let outcome = Outcome {
        cost: cost(&getrusage(UsageWho::RUSAGE_CHILDREN)?)?,
        success: done.status.success(),
        output: String::from_utf8(done.stdout)?,
    };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

fn cost(usage: &Usage) -> anyhow::Result<Cost> {
    // In kilobytes, except on systems that count in bytes.
    let unit = if cfg!(target_vendor = "apple") {
        1
    } else {
        1024
    };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of one command are far below 2^52"
    )]
    let cpu_seconds = micros as f64 / 1e6;
    Ok(Cost {
        cpu_seconds,
        peak_bytes: u64::try_from(usage.max_rss())? * unit,
    })
}

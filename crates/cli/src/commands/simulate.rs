//! `syncline simulate`: the engine in simulated time, checked after every step.

use anyhow::bail;
use syncline_model::ProviderName;
use syncline_providers::{apollo, outreach, salesloft};
use syncline_simulate::{FaultLevel, Plan, Report};

use crate::cli::{Faults, SimulateArgs, Simulated};

pub(crate) fn run(args: &SimulateArgs) -> anyhow::Result<()> {
    let plan = Plan {
        days: args.days,
        contacts: args.contacts.map(|contacts| contacts as usize),
        faults: match args.faults {
            Faults::None => FaultLevel::None,
            Faults::Light => FaultLevel::Light,
            Faults::Heavy => FaultLevel::Heavy,
        },
        provider: args.provider.map(name_of),
        trace: args.trace,
    };
    let seeds = args.seed..args.seed.saturating_add(args.seeds.max(1));
    let mut fallen = 0;
    for seed in seeds {
        // The command has a runtime already, so each seed gets its own, on its own thread.
        let plan = plan.clone();
        let lived = std::thread::spawn(move || {
            stay_on_one_processor();
            syncline_simulate::run(seed, &plan)
        })
        .join();
        let Ok(report) = lived else {
            bail!("seed {seed} panicked");
        };
        let report = report?;
        fallen += usize::from(!report.violations.is_empty());
        print(&report);
    }
    match fallen {
        0 => Ok(()),
        1 if args.seeds <= 1 => bail!("an invariant was violated"),
        _ => bail!(
            "invariants were violated in {fallen} of {} seeds",
            args.seeds
        ),
    }
}

fn name_of(provider: Simulated) -> ProviderName {
    match provider {
        Simulated::Apollo => apollo::NAME,
        Simulated::Outreach => outreach::NAME,
        Simulated::Salesloft => salesloft::NAME,
    }
}

/// Pins the thread to one processor. The engine and its database's thread take turns, and waking
/// another processor for each turn takes a third of the time. If pinning fails, it only takes
/// longer.
fn stay_on_one_processor() {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
        let mut here = CpuSet::new();
        here.set(sched_getcpu());
        let _ = sched_setaffinity(None, &here);
    }
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn print(report: &Report) {
    let Report {
        seed,
        provider,
        steps,
        lasted,
        runs,
        digest,
        violations,
    } = report;
    for violation in violations {
        println!("seed {seed} ({provider}) {violation}");
    }
    println!(
        "seed {seed}: {provider}, {steps} steps, {runs} runs, {} d {} h {} min, digest {digest}",
        lasted.num_days(),
        lasted.num_hours() % 24,
        lasted.num_minutes() % 60,
    );
}

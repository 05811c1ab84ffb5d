//! The command line.

use clap::Parser as _;
use syncline_sim::{
    Args, Dialect, KeyOptions, Options, OutreachArgs, Plan, SalesloftArgs, SimRequest, Simulator,
};

#[derive(Debug, clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn options(line: &[&str]) -> Options {
    let line = std::iter::once("apollo").chain(line.iter().copied());
    Cli::try_parse_from(line).unwrap().args.options()
}

#[test]
fn without_arguments_it_serves_the_default_world() {
    let (given, default) = (options(&[]), Options::default());
    assert_eq!(
        (given.seed, given.epoch, given.latency),
        (default.seed, default.epoch, default.latency)
    );
    assert_eq!(given.teams[0].contacts, default.teams[0].contacts);
    assert_eq!(given.teams[0].keys, default.teams[0].keys);
    assert_eq!(given.teams[0].plan, Plan::Unlimited);
}

#[test]
fn sizes_keys_and_plan_can_be_chosen() {
    let line = [
        "--contacts",
        "40",
        "--teams",
        "2",
        "--api-key",
        "k1",
        "--plan",
        "professional",
        "--latency-ms",
        "30",
    ];
    let given = options(&line);
    assert_eq!(given.teams[0].keys[0], KeyOptions::master("k1"));
    assert_eq!(
        given.teams[1].keys[0],
        KeyOptions::master("sim-master-key-2")
    );
    assert!(
        given
            .teams
            .iter()
            .all(|team| team.plan == Plan::Professional)
    );
    assert_eq!(given.latency.as_millis(), 30);
    let sim = Simulator::new(given);
    assert_eq!(
        (sim.team_count(), sim.read(1, |team| team.counts().contacts)),
        (2, 40)
    );
}

#[test]
fn callbacks_can_be_made_late_doubled_or_lost() {
    let default = (Options::default().apollo, options(&[]).apollo);
    assert_eq!(default.0.callback_delay, default.1.callback_delay);
    assert!(!default.1.callbacks_twice && !default.1.callbacks_lost);
    let line = ["--callback-delay-ms", "90000", "--callbacks-twice"];
    let given = options(&line).apollo;
    assert_eq!(given.callback_delay.as_secs(), 90);
    assert!(given.callbacks_twice && !given.callbacks_lost);
    assert!(options(&["--callbacks-lost"]).apollo.callbacks_lost);
}

#[derive(Debug, clap::Parser)]
struct OutreachCli {
    #[command(flatten)]
    args: OutreachArgs,
}

#[test]
fn outreach_has_a_command_line_of_its_own() {
    let line = [
        "outreach",
        "--prospects",
        "30",
        "--teams",
        "2",
        "--client-id",
        "mine",
        "--requests-per-hour",
        "5",
    ];
    let given = OutreachCli::try_parse_from(line).unwrap().args.options();
    assert_eq!(given.dialect, Dialect::Outreach);
    assert_eq!(given.outreach.client_id, "mine");
    assert_eq!(given.outreach.client_secret, "sim-outreach-secret");
    assert_eq!(given.outreach.requests_per_hour, 5);
    let sim = Simulator::new(given);
    let ask = SimRequest::get("/api/v2/prospects?count=true");
    let ask = ask.header("authorization", "Bearer sim-outreach-access-2");
    let count = sim.respond(crate::noon(), &ask).json()["meta"]["count"].clone();
    assert_eq!(count, 30);
}

#[derive(Debug, clap::Parser)]
struct SalesloftCli {
    #[command(flatten)]
    args: SalesloftArgs,
}

#[test]
fn salesloft_has_a_command_line_of_its_own() {
    let line = [
        "salesloft",
        "--people",
        "30",
        "--teams",
        "2",
        "--client-secret",
        "mine",
        "--points-per-minute",
        "5",
    ];
    let given = SalesloftCli::try_parse_from(line).unwrap().args.options();
    assert_eq!(given.dialect, Dialect::Salesloft);
    assert_eq!(given.salesloft.client_id, "sim-salesloft-client");
    assert_eq!(given.salesloft.client_secret, "mine");
    let sim = Simulator::new(given);
    let ask = SimRequest::get("/v2/people?include_paging_counts=true");
    let ask = ask.header("authorization", "Bearer sim-salesloft-access-2");
    let reply = sim.respond(crate::noon(), &ask);
    assert_eq!(reply.json()["metadata"]["paging"]["total_count"], 30);
    assert_eq!(reply.header("x-ratelimit-remaining-minute"), Some("4"));
}

//! `syncline`: the one binary. Reads the command line and the configuration, composes the parts and
//! runs one command.

mod cli;
mod commands;
mod compose;
mod config;
mod data_dir;
mod key_file;
mod lifecycle;
mod logging;
mod public_url;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("syncline: {}", one_sentence(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error with its causes, less those that the words before already have.
fn one_sentence(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said {
            said if said.is_empty() => cause,
            said if said.contains(&cause) => said,
            said => format!("{said}: {cause}"),
        }
    })
}

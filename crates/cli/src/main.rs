//! `syncline`: the one binary. Reads the command line and the configuration, composes the parts and
//! runs one command.

mod audit;
mod cli;
mod commands;
mod compose;
mod config;
mod data_dir;
mod key_file;
mod lifecycle;
mod logging;
mod open_files;
mod public_url;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("syncline: {}", commands::one_line(&error));
            ExitCode::FAILURE
        }
    }
}

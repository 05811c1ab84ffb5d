//! `syncline`: the one binary. Reads the command line and the configuration, composes the parts and
//! runs one command.

mod audit;
mod cli;
mod commands;
mod compose;
mod config;
mod data_dir;
mod encryption_keys;
mod key_file;
mod lifecycle;
mod listen_address;
mod logging;
mod open_files;
mod public_url;
mod services;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // stderr may be closed.
            let _ = writeln!(io::stderr(), "syncline: {}", commands::one_line(&error));
            ExitCode::FAILURE
        }
    }
}

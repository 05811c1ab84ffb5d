//! `syncline openapi`.

use std::fs;

use anyhow::{Context, bail};

use crate::cli::OpenapiArgs;

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) fn run(args: &OpenapiArgs) -> anyhow::Result<()> {
    for (name, document) in syncline_server::documents() {
        let path = args.dir.join(format!("{name}.json"));
        if args.check {
            let written = fs::read_to_string(&path).unwrap_or_default();
            if written != document {
                bail!("{} is out of date: run `syncline openapi`", path.display());
            }
            continue;
        }
        fs::create_dir_all(&args.dir)
            .and_then(|()| fs::write(&path, document))
            .with_context(|| format!("{} can't be written", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

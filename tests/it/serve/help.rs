//! `--help`, as people read it: a change of it is seen in a review.

use insta::assert_snapshot;

use crate::serve::start::output;

#[tokio::test]
async fn every_command_says_what_it_does() {
    let mut pages = vec![help(&[]).await];
    // Each command that a page names has a page of its own.
    let mut next = commands(&pages[0], &[]);
    while let Some(command) = next.pop() {
        let args: Vec<&str> = command.iter().map(String::as_str).collect();
        let page = help(&args).await;
        next.extend(commands(&page, &args));
        pages.push(page);
    }
    pages[1..].sort();
    assert_snapshot!(pages.join("\n"));
}

async fn help(command: &[&str]) -> String {
    let shown = output(&[command, &["--help"]].concat(), &[]).await;
    assert_eq!(shown.status.code(), Some(0), "{command:?}");
    let heading = ["syncline", &command.join(" ")].join(" ");
    let text = String::from_utf8(shown.stdout).unwrap();
    let text: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("## {}\n\n{}\n", heading.trim_end(), text.join("\n"))
}

/// The commands that a page lists, below `parent`.
fn commands(page: &str, parent: &[&str]) -> Vec<Vec<String>> {
    let listed = page.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    let below = |name: &str| {
        parent
            .iter()
            .copied()
            .chain([name])
            .map(str::to_owned)
            .collect()
    };
    names.map(below).collect()
}

//! The files that people start from are correct: `docker-compose.yml`, the `Dockerfile`, the
//! README's commands and the settings in docs/configuration.md, each checked against the real
//! binary.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use yaml_rust2::{Yaml, YamlLoader};

use crate::support::{self, ENCRYPTION_KEY};

const PREFIX: &str = "SYNCLINE_";

#[test]
fn every_setting_of_the_compose_file_is_accepted() {
    let services = services();
    let mut checked = 0;
    for (name, service) in &services {
        let mut environment = settings(service);
        // This test has no container network: the name is checked, and the database is local.
        let dir = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}", dir.path().join("compose.db").display());
        for (name, value) in &mut environment {
            if name == "SYNCLINE_DATABASE_URL" {
                assert!(value.starts_with("postgres://"), "{value}");
                value.clone_from(&database);
            }
        }
        if environment.is_empty() {
            continue;
        }
        let migrated = migrate(dir.path(), &environment);
        assert!(migrated.status.success(), "{name}: {}", stderr(&migrated));
        checked += 1;
    }
    assert!(checked > 0, "no service has a setting");
}

#[test]
fn a_setting_with_a_misspelt_name_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let refused = migrate(
        dir.path(),
        &[("SYNCLINE_DATABSE_URL".into(), "sqlite://x".into())],
    );
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("unknown setting SYNCLINE_DATABSE_URL"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn the_commands_of_the_compose_file_and_the_dockerfile_exist() {
    let dockerfile = read("Dockerfile");
    let entrypoint = instruction(&dockerfile, "ENTRYPOINT");
    assert_eq!(words(entrypoint), ["syncline"]);
    assert_command_exists(&words(instruction(&dockerfile, "CMD")));
    let mut own = 0;
    for (name, service) in services() {
        if service["build"].is_badvalue() {
            continue;
        }
        let command: Vec<String> = service["command"]
            .as_vec()
            .unwrap_or_else(|| panic!("{name} has no command in list form"))
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect();
        assert_command_exists(&command);
        own += 1;
    }
    assert!(own > 0, "no service is built from here");
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    for words in [&["server"][..], &["serve", "--lisen"], &["sim", "outlook"]] {
        let output = help(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn the_image_has_the_binary_and_the_port_that_compose_uses() {
    let dockerfile = read("Dockerfile");
    let command = support::syncline().into_std();
    let binary = Path::new(command.get_program());
    let name = binary.file_name().unwrap().to_str().unwrap();
    let copied = format!("/dist/{name} /usr/local/bin/{name}");
    assert!(dockerfile.contains(&copied), "no `{copied}`");
    assert!(dockerfile.contains(&format!("-p {name} --features s3\n")));

    let port = instruction(&dockerfile, "EXPOSE");
    let listen = format!("SYNCLINE_LISTEN=0.0.0.0:{port}");
    assert!(dockerfile.contains(&listen), "no `{listen}`");
    let services = services();
    let (_, serve) = services
        .iter()
        .find(|(name, _)| name == "syncline")
        .expect("a service called syncline");
    let published = serve["ports"][0].as_str().unwrap();
    assert!(published.ends_with(&format!(":{port}")), "{published}");
    let probe = serve["healthcheck"]["test"].as_vec().unwrap();
    let url = format!("http://127.0.0.1:{port}/readyz");
    assert!(probe.iter().any(|word| word.as_str() == Some(&url)));
}

#[test]
fn the_settings_in_the_documents_exist() {
    let mut names = BTreeSet::new();
    // A changelog may mention settings that no longer exist.
    let pages = documents().into_iter().filter(|it| it != "CHANGELOG.md");
    for file in pages.chain(["Dockerfile".to_owned()]) {
        names.extend(setting_names(&read(&file)));
    }
    assert!(names.contains("SYNCLINE_PROVIDERS__APOLLO__BASE_URL"));
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        // `x` is not a valid value for most of them; the test only checks that the name is known.
        let output = migrate(dir.path(), &[(name.clone(), "x".into())]);
        let said = stderr(&output);
        assert!(!said.contains("unknown setting"), "{name}: {said}");
    }
}

#[test]
fn the_commands_of_the_readme_exist() {
    let readme = read("README.md");
    let mut checked = 0;
    for line in code_lines(&readme) {
        let line = line.split(" #").next().unwrap_or_default();
        let words: Vec<&str> = line
            .split_whitespace()
            .skip_while(|word| word.contains('=') && !word.starts_with('-'))
            .collect();
        let arguments = match words.as_slice() {
            ["cargo", "run", "--release", "--", arguments @ ..]
            | ["syncline" | "target/release/syncline", arguments @ ..] => arguments,
            [script, ..] if script.ends_with("/run") => {
                assert!(root().join(script).is_file(), "{script} is not there");
                continue;
            }
            _ => continue,
        };
        let arguments: Vec<&str> = arguments
            .iter()
            .copied()
            .take_while(|word| !["&", "|", ">", "&&"].contains(word))
            .collect();
        assert_command_exists(&arguments);
        checked += 1;
    }
    assert!(checked >= 3, "the README shows only {checked} commands");
}

#[test]
fn the_links_between_the_documents_lead_somewhere() {
    let documents = documents();
    assert!(documents.len() > 15, "{documents:?}");
    for file in documents {
        let beside = root().join(&file);
        for target in links(&read(&file)) {
            let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
            let path = match path {
                "" => beside.clone(),
                path => beside.parent().unwrap().join(path),
            };
            assert!(path.exists(), "{file} links to {target}");
            if !heading.is_empty() {
                let there = headings(&fs::read_to_string(path).unwrap());
                let is_there = there.contains(heading);
                assert!(
                    is_there,
                    "{file} links to {target}, and {there:?} are there"
                );
            }
        }
    }
}

/// The documents that people read.
fn documents() -> Vec<String> {
    let mut documents: Vec<String> = ["", "docs", "examples", "migrations"]
        .iter()
        .flat_map(|dir| {
            let entries = fs::read_dir(root().join(dir)).unwrap();
            let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
            let pages =
                names.filter(|name| Path::new(name).extension().is_some_and(|it| it == "md"));
            pages.map(move |name| format!("{dir}/{name}").trim_start_matches('/').to_owned())
        })
        .collect();
    documents.sort();
    documents
}

/// The targets of a page's links, without those to other sites.
fn links(markdown: &str) -> Vec<String> {
    let parts = markdown.split("](").skip(1);
    let targets = parts.filter_map(|part| Some(part.split_once(')')?.0));
    let ours = targets.filter(|target| !target.contains("://"));
    ours.map(str::to_owned).collect()
}

/// The anchors of a page's headings.
fn headings(markdown: &str) -> BTreeSet<String> {
    let lines = markdown.lines().filter(|line| line.starts_with('#'));
    let words = lines.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let kept = |it: &char| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_');
    words
        .map(|it| {
            it.chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

#[test]
fn the_tests_that_the_guarantees_name_exist() {
    each_named_test_exists("docs/guarantees.md");
}

#[test]
fn each_guarantee_has_a_number_of_its_own() {
    let mut numbers = BTreeSet::new();
    for line in read("docs/guarantees.md").lines() {
        let number = line
            .strip_prefix("| ")
            .and_then(|it| it.split(" | ").next());
        let Some(number) = number.filter(|it| it.starts_with(|c: char| c.is_ascii_digit())) else {
            continue;
        };
        assert!(
            numbers.insert(number.to_owned()),
            "{number} stands there twice"
        );
    }
    assert!(numbers.len() > 100);
}

#[test]
fn the_tests_that_the_threat_model_names_exist() {
    each_named_test_exists("docs/security.md");
}

fn each_named_test_exists(document: &str) {
    let mut file = PathBuf::new();
    let mut checked = 0;
    for line in read(document).lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [_, _, shown_by] = cells.as_slice() else {
            continue;
        };
        for name in shown_by.split('`').skip(1).step_by(2) {
            let Some((place, test)) = name.rsplit_once("::") else {
                continue;
            };
            // `::name` is in the file of the previous one.
            if place.starts_with("crates/") {
                file = root().join(place);
            } else if !place.is_empty() {
                let path = place.replace("::", "/");
                file = root().join("tests/it").join(path).with_extension("rs");
            }
            let code = fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{name}: {}: {error}", file.display()));
            assert!(code.contains(&format!("fn {test}(")), "{name} is not there");
            checked += 1;
        }
    }
    assert!(checked > 0, "no test is named");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// `syncline` in `dir` with only these settings.
fn syncline(dir: &Path, environment: &[(String, String)]) -> Command {
    let mut command = support::syncline().into_std();
    command
        .current_dir(dir)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

fn migrate(dir: &Path, environment: &[(String, String)]) -> Output {
    output(syncline(dir, environment).arg("migrate"))
}

fn help(words: &[impl AsRef<str>]) -> Output {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = syncline(dir.path(), &[]);
    output(command.args(words.iter().map(AsRef::as_ref)).arg("--help"))
}

fn output(command: &mut Command) -> Output {
    command.output().expect("syncline can be started")
}

fn assert_command_exists(words: &[impl AsRef<str>]) {
    let output = help(words);
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    assert!(
        output.status.success(),
        "`syncline {}`: {}",
        words.join(" "),
        stderr(&output)
    );
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn services() -> Vec<(String, Yaml)> {
    let documents = YamlLoader::load_from_str(&read("docker-compose.yml")).expect("YAML");
    let services = documents[0]["services"].as_hash().expect("services");
    services
        .iter()
        .map(|(name, service)| (text(name), service.clone()))
        .collect()
}

/// A service's `SYNCLINE_` settings, with compose's variables filled in.
fn settings(service: &Yaml) -> Vec<(String, String)> {
    let Some(environment) = service["environment"].as_hash() else {
        return Vec::new();
    };
    environment
        .iter()
        .map(|(name, value)| (text(name), value))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| (name, filled_in(&text(value))))
        .collect()
}

fn text(yaml: &Yaml) -> String {
    yaml.as_str().expect("text").to_owned()
}

/// `${NAME:-default}` becomes its default. `${NAME:?why}` has to be set, which is allowed for the
/// encryption key only.
fn filled_in(value: &str) -> String {
    let Some((before, rest)) = value.split_once("${") else {
        return value.to_owned();
    };
    let (variable, after) = rest.split_once('}').expect("a closing brace");
    let given = match (variable.split_once(":-"), variable.split_once(":?")) {
        (Some((_, default)), _) => default,
        (None, Some(("SYNCLINE_ENCRYPTION_KEY", _))) => ENCRYPTION_KEY,
        _ => panic!("{variable} has neither a default nor a value here"),
    };
    format!("{before}{given}{}", filled_in(after))
}

/// The argument of a Dockerfile's instruction; the last one of its kind counts.
fn instruction<'t>(dockerfile: &'t str, name: &str) -> &'t str {
    dockerfile
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_else(|| panic!("the Dockerfile has no {name}"))
        .trim()
}

/// `["a", "b"]` as words.
fn words(list: &str) -> Vec<String> {
    serde_json::from_str(list).expect("a list in JSON")
}

/// The lines of the code blocks.
fn code_lines(markdown: &str) -> impl Iterator<Item = &str> {
    markdown
        .split("```")
        .skip(1)
        .step_by(2)
        .flat_map(str::lines)
}

/// The full names that begin with `SYNCLINE_`, without those that Kubernetes injects.
fn setting_names(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| word.starts_with(PREFIX) && *word != PREFIX)
        .filter(|word| !word.starts_with("SYNCLINE_PORT") && !word.starts_with("SYNCLINE_SERVICE_"))
        .map(str::to_owned)
}

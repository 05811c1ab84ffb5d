use proptest::prelude::*;

use super::*;

fn load(file: &str, environment: &[(&str, &str)], args: SettingsArgs) -> anyhow::Result<Config> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("syncline.toml");
    std::fs::write(&path, file).unwrap();
    let settings = SettingsArgs {
        config: Some(path),
        ..args
    };
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_layers(&settings, &BTreeMap::new(), environment)
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = "data_dir = 'from-file'\nlisten = '127.0.0.1:1'";
    let environment = [
        ("SYNCLINE_DATA_DIR", "from-env"),
        ("SYNCLINE_DATABASE_URL", "sqlite://e"),
    ];
    let config = load(file, &environment, SettingsArgs::default()).unwrap();
    assert_eq!(config.data_dir, Path::new("from-env"));
    assert_eq!(config.listen.port(), 1);
    let flags = SettingsArgs {
        data_dir: Some("from-flag".into()),
        ..SettingsArgs::default()
    };
    let config = load(file, &environment, flags).unwrap();
    assert_eq!(config.data_dir, Path::new("from-flag"));
}

#[test]
fn an_unknown_setting_is_named_wherever_it_comes_from() {
    let error = load("lisen = 'x'", &[], SettingsArgs::default()).unwrap_err();
    assert!(error.to_string().contains("lisen"), "{error}");
    let environment = [("SYNCLINE_PROVIDERS__APOLLO__BASE", "x")];
    let error = load("", &environment, SettingsArgs::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("SYNCLINE_PROVIDERS__APOLLO__BASE"),
        "{error}"
    );
}

#[test]
fn a_wrong_value_is_named() {
    let environment = [("SYNCLINE_LISTEN", "nowhere")];
    let error = load("", &environment, SettingsArgs::default()).unwrap_err();
    assert!(error.to_string().contains("SYNCLINE_LISTEN"), "{error}");
}

#[test]
fn a_setting_that_is_empty_is_named() {
    for name in [
        "LISTEN",
        "DATA_DIR",
        "DATABASE_URL",
        "PUBLIC_URL",
        "LOG__FORMAT",
        HOUR,
    ] {
        let name = format!("SYNCLINE_{}", name.trim_start_matches(PREFIX));
        let error = load("", &[(&name, " ")], SettingsArgs::default()).unwrap_err();
        let said = error.to_string();
        assert_eq!(
            said,
            format!("{name} is set to nothing: give it a value, or unset it")
        );
    }
    for name in MAY_BE_EMPTY {
        let config = load("", &[(name, "")], SettingsArgs::default()).unwrap();
        assert!(config.api_key.is_none() && config.encryption_key.is_none());
    }
}

#[test]
fn a_name_without_words_is_no_setting() {
    for name in [
        "SYNCLINE_",
        "SYNCLINE___",
        "SYNCLINE_LOG__",
        "SYNCLINE___FORMAT",
    ] {
        let error = load("", &[(name, "x")], SettingsArgs::default()).unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with(&format!("{name} is not a setting")),
            "{said}"
        );
    }
}

#[test]
fn a_wrong_value_says_in_one_line_what_would_be_right() {
    for (name, value, words) in [
        ("LISTEN", ":8081", "0.0.0.0:8081"),
        ("LOG__FORMAT", "xml", "it must be text or json, not 'xml'"),
        ("LOG", "json", "SYNCLINE_LOG is a group of settings"),
        (
            "PUBLIC_URL",
            "sync.example",
            "must begin with http:// or https://",
        ),
    ] {
        let name = format!("{PREFIX}{name}");
        let error = load("", &[(&name, value)], SettingsArgs::default()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&name) && said.contains(words), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_named_in_one_line() {
    let error = load("listen = ", &[], SettingsArgs::default()).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("syncline.toml is not valid TOML"), "{said}");
    assert!(said.contains("line 1") && !said.contains('\n'), "{said}");
}

#[test]
fn a_public_url_that_is_none_is_named() {
    let load = |url| load("", &[("SYNCLINE_PUBLIC_URL", url)], SettingsArgs::default());
    let error = load("sync.example").unwrap_err();
    assert!(error.to_string().contains("SYNCLINE_PUBLIC_URL"), "{error}");
    let config = load("https://sync.example/").unwrap();
    assert_eq!(config.public_url.unwrap().as_str(), "https://sync.example");
}

#[test]
fn debug_shows_no_secret() {
    let environment = [
        ("SYNCLINE_DATABASE_URL", "postgres://u:hidden-1@db/x"),
        ("SYNCLINE_API_KEY", "hidden-2"),
        ("SYNCLINE_ENCRYPTION_KEY", "hidden-3"),
    ];
    let config = load("", &environment, SettingsArgs::default()).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hidden"), "{shown}");
    assert!(config.database_url().contains("hidden-1"));
}

#[test]
fn what_kubernetes_injects_is_ignored() {
    let environment = [
        ("SYNCLINE_PORT", "tcp://10.0.0.1:8080"),
        ("SYNCLINE_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("SYNCLINE_SERVICE_HOST", "10.0.0.1"),
    ];
    assert!(load("", &environment, SettingsArgs::default()).is_ok());
}

#[test]
fn a_key_that_looks_like_a_number_stays_as_it_is() {
    let environment = [("SYNCLINE_API_KEY", "007")];
    let config = load("", &environment, SettingsArgs::default()).unwrap();
    assert_eq!(config.api_key.unwrap().expose_secret(), "007");
}

const HOUR: &str = "SYNCLINE_PROVIDERS__APOLLO__LIMITS__RECORDS_PER_HOUR";

fn limits_of(config: &Config) -> anyhow::Result<VolumeLimits> {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (_, limits) = crate::compose::providers(config)?;
    Ok(limits.of(syncline_providers::apollo::NAME, LimitOverrides::default()))
}

#[test]
fn an_unknown_provider_is_named_with_those_that_there_are() {
    let file = "[providers.hubspot]\nbase_url = 'https://hubspot.test'";
    let error = load(file, &[], SettingsArgs::default()).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("providers.hubspot (SYNCLINE_PROVIDERS__HUBSPOT)"),
        "{said}"
    );
    assert!(said.contains("there is apollo, "), "{said}");
}

#[test]
fn a_wrong_base_url_is_said_of_its_setting() {
    let url = [("SYNCLINE_PROVIDERS__APOLLO__BASE_URL", "nowhere")];
    let config = load("", &url, SettingsArgs::default()).unwrap();
    let said = limits_of(&config).unwrap_err().to_string();
    let setting = "the setting providers.apollo.base_url (SYNCLINE_PROVIDERS__APOLLO__BASE_URL)";
    assert!(said.starts_with(setting), "{said}");
}

#[test]
fn a_value_in_place_of_a_group_is_said_to_be_one() {
    for group in ["SYNCLINE_PROVIDERS", "SYNCLINE_PROVIDERS__APOLLO"] {
        let error = load("", &[(group, "x")], SettingsArgs::default()).unwrap_err();
        let said = format!("{group} is a group of settings, not a setting");
        assert_eq!(error.to_string(), said);
    }
}

#[test]
fn limits_of_requests_have_defaults_and_bounds() {
    let limits = Config::defaults().limits.requests();
    assert_eq!(limits.concurrent_requests, 512);
    assert_eq!(limits.requests_per_minute, NonZeroU32::new(60_000));
    let set = [("SYNCLINE_LIMITS__REQUESTS_PER_MINUTE", "0")];
    let config = load("", &set, SettingsArgs::default()).unwrap();
    assert_eq!(config.limits.requests().requests_per_minute, None);
    for (setting, wrong) in [
        ("CONCURRENT_REQUESTS", "0"),
        ("CONCURRENT_REQUESTS", "many"),
        ("REQUESTS_PER_MINUTE", "-1"),
        ("REQUESTS_PER_MINUTE", "1000001"),
    ] {
        let name = format!("SYNCLINE_LIMITS__{setting}");
        let error = load("", &[(&name, wrong)], SettingsArgs::default()).unwrap_err();
        assert!(error.to_string().contains(&name), "{error}");
    }
}

#[test]
fn runs_are_kept_for_90_days_or_as_long_as_is_set() {
    assert_eq!(Config::defaults().retention.runs_days, 90);
    let config = load("[retention]\nruns_days = 7", &[], SettingsArgs::default()).unwrap();
    assert_eq!(config.retention.runs_days, 7);
    for wrong in ["0", "-1", "36501", "soon"] {
        let set = [("SYNCLINE_RETENTION__RUNS_DAYS", wrong)];
        let error = load("", &set, SettingsArgs::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("SYNCLINE_RETENTION__RUNS_DAYS"), "{error}");
    }
}

#[test]
fn the_default_limits_are_the_documented_ones() {
    assert_eq!(
        limits_of(&Config::defaults()).unwrap(),
        VolumeLimits::default()
    );
}

#[test]
fn limits_come_from_the_file_and_as_text_from_the_environment() {
    let file = "[providers.apollo.limits]\nrecords_per_hour = 700\nrecords_per_day = 900";
    let config = load(file, &[(HOUR, "800")], SettingsArgs::default()).unwrap();
    let limits = limits_of(&config).unwrap();
    assert_eq!(
        (
            limits.records_per_object,
            limits.records_per_hour,
            limits.records_per_day
        ),
        (Some(10_000), Some(800), Some(900))
    );
}

#[test]
fn a_limit_that_is_no_whole_number_is_named() {
    for value in ["ten", "10.5", "", "99999999999999999999"] {
        let error = load("", &[(HOUR, value)], SettingsArgs::default()).unwrap_err();
        assert!(error.to_string().contains(HOUR), "{error}");
    }
    for value in ["10.5", "true", "[1]"] {
        let file = format!("[providers.apollo.limits]\nrecords_per_day = {value}");
        let error = load(&file, &[], SettingsArgs::default()).unwrap_err();
        let named = error
            .to_string()
            .contains("providers.apollo.limits.records_per_day");
        assert!(named, "{error}");
    }
}

#[test]
fn a_limit_that_makes_no_sense_is_named_with_what_would() {
    for (setting, value, right) in [
        ("RECORDS_PER_HOUR", "99", "set 100 or more"),
        ("RECORDS_PER_DAY", "0", "set 100 or more"),
        ("RECORDS_PER_OBJECT", "-1", "set 100 or more"),
        ("RECORDS_PER_OBJECT", "50001", "set 50000 or less"),
        ("RECORDS_PER_DAY", "10000001", "set 10000000 or less"),
    ] {
        let name = format!("SYNCLINE_PROVIDERS__APOLLO__LIMITS__{setting}");
        let config = load("", &[(&name, value)], SettingsArgs::default()).unwrap();
        let error = limits_of(&config).unwrap_err().to_string();
        assert!(error.contains(&name), "{error}");
        assert!(error.ends_with(right), "{error}");
    }
}

/// The names of all settings, and invalid ones.
const NAMES: [&str; 12] = [
    "LISTEN",
    "PUBLIC_URL",
    "DATA_DIR",
    "API_KEY",
    "PROVIDERS",
    "PROVIDERS__APOLLO",
    "PROVIDERS__APOLLO__BASE_URL",
    "PROVIDERS__APOLLO__LIMITS__RECORDS_PER_HOUR",
    "WEBHOOKS__ALLOW_PRIVATE_TARGETS",
    "RETENTION__RUNS_DAYS",
    "LOG__FORMAT",
    "__",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_the_settings_are_they_are_taken_or_refused_without_a_secret(
        file in prop_oneof![
            any::<String>(),
            "([a-z_.]{1,12} = ('[a-z]{0,4}'|[0-9]{1,20}|true|\\[\\])\n){0,4}",
            "\\[(providers|retention|log|webhooks)(\\.[a-z]{1,6})?\\]\n[a-z_]{1,12} = [0-9\"]{1,3}\n",
        ],
        environment in proptest::collection::vec(
            (proptest::sample::select(NAMES.as_slice()), "[ -~]{0,20}"),
            0..4,
        ),
    ) {
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| (format!("{PREFIX}{name}"), value.as_str()))
            .collect();
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        match load(&file, &environment, SettingsArgs::default()) {
            Ok(config) => prop_assert!((1..=36_500).contains(&config.retention.runs_days)),
            Err(error) => {
                let error = format!("{error:#}");
                prop_assert!(!error.trim().is_empty());
                for (name, value) in environment {
                    let secret = name.ends_with("API_KEY") && value.len() > 8;
                    prop_assert!(!secret || !error.contains(value), "{}", error);
                }
            }
        }
    }
}

//! Whether a connection's data is reliable: a status and a reason.
//!
//! Pure rules over what the store keeps for each sync. A pause that a user asked for is not a
//! fault, and neither is a first sync that is still running.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ConnectionStatus, Object, Time};

/// The health of a connection, or of the worst of a customer's connections.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Every sync that is not paused runs on schedule.
    #[default]
    Healthy,
    /// Something is late, can't be read, or waits for approval.
    Degraded,
    /// The credentials are rejected, or an object has not been read for two periods and its runs fail.
    Failing,
}

impl HealthStatus {
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Degraded, Self::Failing];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        }
    }
}

/// A status with the reason for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    pub status: HealthStatus,
    /// What is wrong and how to fix it; `None` if nothing is.
    pub reason: Option<String>,
    /// The newest success of any of its syncs.
    pub last_synced_at: Option<Time>,
}

/// The health of one sync.
#[derive(Debug, Clone)]
pub struct SyncHealth {
    pub object: Object,
    pub paused: bool,
    /// Paused because the key may not read the object: the provider's reason.
    pub forbidden: Option<String>,
    pub last_succeeded_at: Option<Time>,
    /// Not paused, and no success for two periods.
    pub behind: bool,
    /// Since when its runs have been failing, and the newest error.
    pub failing: Option<(Time, String)>,
    pub holds_deletions: bool,
}

impl SyncHealth {
    /// The sync's status and the reason for it.
    pub fn judge(&self) -> (HealthStatus, Option<String>) {
        let objects = self.object.plural();
        if self.paused {
            let Some(reason) = &self.forbidden else {
                return (HealthStatus::Healthy, None);
            };
            let said = format!("{objects} can't be read; use a key that may read them: {reason}");
            return (HealthStatus::Degraded, Some(said));
        }
        let (status, said) = match (&self.failing, self.behind) {
            (Some((_, error)), true) => (
                HealthStatus::Failing,
                format!(
                    "{objects} {}, the newest run failed: {error}",
                    self.last_read()
                ),
            ),
            (Some((_, error)), false) => (
                HealthStatus::Degraded,
                format!("the newest run of {objects} failed, the next one will retry: {error}"),
            ),
            (None, true) => (
                HealthStatus::Degraded,
                format!(
                    "{objects} {}: no success for twice their period or more",
                    self.last_read()
                ),
            ),
            (None, false) if self.holds_deletions => (
                HealthStatus::Degraded,
                format!("deletions of {objects} are held until they are approved"),
            ),
            (None, false) => return (HealthStatus::Healthy, None),
        };
        (status, Some(said))
    }

    fn last_read(&self) -> String {
        match self.last_succeeded_at {
            Some(at) => format!("were last read at {}", at.format("%FT%TZ")),
            None => "have never been read completely".to_owned(),
        }
    }
}

impl Health {
    /// The worst status of the connection and its syncs.
    pub fn of_connection(
        status: ConnectionStatus,
        last_synced_at: Option<Time>,
        syncs: &[SyncHealth],
    ) -> Self {
        let mut worst = Self {
            status: HealthStatus::Healthy,
            reason: None,
            last_synced_at,
        };
        if status == ConnectionStatus::Unauthorized {
            worst.status = HealthStatus::Failing;
            worst.reason = Some(
                "the provider rejects the key, all syncs are paused: give the connection a key \
                 that it accepts"
                    .to_owned(),
            );
            return worst;
        }
        let mut others = 0;
        for sync in syncs {
            let (status, reason) = sync.judge();
            if status == HealthStatus::Healthy {
                continue;
            }
            if status > worst.status {
                others += usize::from(worst.reason.is_some());
                worst.status = status;
                worst.reason = reason;
            } else {
                others += 1;
            }
        }
        if let Some(reason) = worst.reason.as_mut().filter(|_| others > 0) {
            *reason = format!("{reason} (and {others} more of its objects)");
        }
        worst
    }

    /// The worst status of a customer's connections; `None` without connections.
    pub fn worst<'h>(connections: impl IntoIterator<Item = &'h Self>) -> Option<Self> {
        connections
            .into_iter()
            .cloned()
            .reduce(|known, other| Self {
                last_synced_at: known.last_synced_at.max(other.last_synced_at),
                ..if other.status > known.status {
                    other
                } else {
                    known
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync(object: Object) -> SyncHealth {
        SyncHealth {
            object,
            paused: false,
            forbidden: None,
            last_succeeded_at: Some(Time::UNIX_EPOCH),
            behind: false,
            failing: None,
            holds_deletions: false,
        }
    }

    fn failing(behind: bool) -> SyncHealth {
        SyncHealth {
            behind,
            failing: Some((Time::UNIX_EPOCH, "it answered 500".to_owned())),
            ..sync(Object::Contact)
        }
    }

    fn health(status: ConnectionStatus, syncs: &[SyncHealth]) -> (HealthStatus, String) {
        let health = Health::of_connection(status, None, syncs);
        (health.status, health.reason.unwrap_or_default())
    }

    #[test]
    fn a_rejected_key_is_the_reason_whatever_the_syncs_say() {
        let (status, reason) = health(ConnectionStatus::Unauthorized, &[failing(true)]);
        assert_eq!(status, HealthStatus::Failing);
        assert!(reason.contains("rejects the key"), "{reason}");
    }

    #[test]
    fn the_worst_sync_is_named_and_the_others_are_counted() {
        let held = SyncHealth {
            holds_deletions: true,
            ..sync(Object::User)
        };
        let all = [held, failing(true), sync(Object::Account)];
        let (status, reason) = health(ConnectionStatus::Healthy, &all);
        assert_eq!(status, HealthStatus::Failing);
        assert!(
            reason.starts_with("contacts were last read at 1970-01-01T00:00:00Z"),
            "{reason}"
        );
        assert!(reason.contains("it answered 500"), "{reason}");
        assert!(reason.ends_with("(and 1 more of its objects)"), "{reason}");
    }

    #[test]
    fn one_failed_run_degrades_and_a_pause_of_ones_own_does_not() {
        let (status, reason) = health(ConnectionStatus::Healthy, &[failing(false)]);
        assert_eq!(status, HealthStatus::Degraded, "{reason}");
        let paused = SyncHealth {
            paused: true,
            ..failing(true)
        };
        assert_eq!(
            health(ConnectionStatus::Healthy, &[paused]).0,
            HealthStatus::Healthy
        );
        let never = SyncHealth {
            behind: true,
            last_succeeded_at: None,
            ..sync(Object::User)
        };
        let (status, reason) = health(ConnectionStatus::Unverified, &[never]);
        assert_eq!(status, HealthStatus::Degraded);
        assert!(
            reason.contains("users have never been read completely"),
            "{reason}"
        );
    }

    #[test]
    fn a_customer_is_as_well_as_the_worst_of_its_connections() {
        let at = |seconds| Time::from_timestamp(seconds, 0);
        let of = |status, seconds| Health {
            status,
            reason: None,
            last_synced_at: at(seconds),
        };
        assert_eq!(Health::worst([]), None);
        let worst = Health::worst([
            &of(HealthStatus::Healthy, 2),
            &of(HealthStatus::Failing, 1),
            &of(HealthStatus::Degraded, 0),
        ]);
        assert_eq!(worst, Some(of(HealthStatus::Failing, 2)));
    }
}

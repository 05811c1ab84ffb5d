//! Generates users and the mailboxes they send from.

use chrono::{DateTime, TimeDelta, Utc};

use super::ascii;
use crate::world::mailbox::Mailbox;
use crate::world::user::User;
use crate::world::{Team, names};

impl Team {
    pub(super) fn add_generated_user(&mut self, n: usize, start: DateTime<Utc>) {
        let days = i64::try_from(n).unwrap_or(0) * 40;
        let first = self.dice.word(names::FIRST);
        let last = self.dice.word(names::LAST);
        let created = start
            + TimeDelta::days(days.min(500))
            + TimeDelta::milliseconds(self.dice.between(0, 80_000_000));
        let mut user = self.draft_user(created, first, last);
        match n {
            1 if self.conventions.users_are_deleted => user.deleted = true,
            1 => user.locked = true,
            2 => {
                user.first_name = None;
                user.last_name = None;
                user.title = None;
            }
            _ => {}
        }
        self.users.insert(user);
    }

    pub(in crate::world) fn draft_user(
        &mut self,
        created_at: DateTime<Utc>,
        first: &str,
        last: &str,
    ) -> User {
        let title = self.dice.word(&[
            "Account Executive",
            "Sales Development Rep",
            "Head of Sales",
            "RevOps Manager",
        ]);
        // The number keeps addresses of users with the same name apart.
        let taken = self.users.all().len();
        let domain = self.domain();
        User {
            id: self.mint(created_at),
            team_id: self.id.clone(),
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
            title: Some(title.to_owned()),
            email: format!("{}.{}{taken}@{domain}", ascii(first), ascii(last)),
            created_at,
            updated_at: created_at,
            signed_in_at: None,
            permission_set_id: self.mint(created_at),
            assistant_id: self.mint(created_at),
            locked: false,
            deleted: false,
            removed: false,
        }
    }

    /// A user who is listed, possibly as deleted.
    pub(in crate::world) fn any_user_id(&mut self) -> Option<String> {
        let users: Vec<&User> = self.users.listed().collect();
        self.dice.pick(&users).map(|user| user.id.clone())
    }

    /// The domain that the team sends from.
    pub(crate) fn domain(&self) -> String {
        format!("{}.example", ascii(&self.name))
    }

    pub(super) fn add_generated_mailbox(
        &mut self,
        n: usize,
        start: DateTime<Utc>,
        epoch: DateTime<Utc>,
    ) {
        let created = self.dice.instant(start, epoch - TimeDelta::days(30));
        let users = self.users.all();
        let Some(user_id) = users
            .get(n % users.len().max(1))
            .map(|user| user.id.clone())
        else {
            return;
        };
        let mut mailbox = self.draft_mailbox(created, &user_id);
        mailbox.default = n < self.users.all().len();
        mailbox.last_synced_at =
            Some(epoch - TimeDelta::milliseconds(self.dice.between(0, 3_600_000)));
        match n {
            3 => {
                mailbox.active = false;
                mailbox.revoked_at = Some(self.dice.instant(created, epoch));
                mailbox.inactive_reason =
                    Some("Access was revoked by the mail provider".to_owned());
            }
            5 => {
                mailbox.active = false;
                mailbox.inactive_reason = Some("Mailbox was unlinked".to_owned());
            }
            6 => mailbox.last_synced_at = None,
            _ => {}
        }
        self.mailboxes.insert(mailbox);
    }

    pub(in crate::world) fn draft_mailbox(
        &mut self,
        created_at: DateTime<Utc>,
        user_id: &str,
    ) -> Mailbox {
        let n = self.mailboxes.all().len();
        let kinds = [
            ("gmail", "Gmail"),
            ("office365", "Office 365"),
            ("smtp", "Other"),
        ];
        let user = self.users.get(user_id);
        let name = user.map(User::name).unwrap_or_default();
        let local = user
            .and_then(|user| user.email.split('@').next())
            .unwrap_or("sales")
            .to_owned();
        Mailbox {
            id: self.mint(created_at),
            team_id: self.id.clone(),
            user_id: user_id.to_owned(),
            email: format!("{local}.{n}@mail.{}", self.domain()),
            kind: self
                .dice
                .pick(&kinds)
                .copied()
                .unwrap_or(("gmail", "Gmail")),
            active: true,
            default: false,
            created_at,
            updated_at: created_at,
            last_synced_at: None,
            revoked_at: None,
            inactive_reason: None,
            daily_threshold: 50,
            score_id: self.mint(created_at),
            signature: format!("<div>{name}</div><div>{}</div>", self.name),
            deleted: false,
        }
    }
}

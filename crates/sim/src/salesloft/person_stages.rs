//! Stages of people.

use super::query::Query;
use super::record::Record;
use super::resource::{FilterList, Item, Kind, Resource};
use super::value::Value;
use crate::world::Team;
use crate::world::catalogue::Stage;

#[derive(Debug)]
pub(super) struct PersonStages;

/// A stage with its index.
#[derive(Debug, Clone, Copy)]
pub(super) struct StageRow<'t> {
    stage: &'t Stage,
    order: usize,
}

impl Resource for PersonStages {
    type Row<'t> = StageRow<'t>;

    const FILTERS: FilterList = &[("ids", Kind::Id)];

    fn rows<'t>(team: &'t Team, _: &Query) -> impl Iterator<Item = StageRow<'t>> {
        let stages = team.contact_stages.iter().enumerate();
        stages.map(|(order, stage)| StageRow { stage, order })
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<StageRow<'t>> {
        Self::rows(team, &Query::default()).find(|row| row.stage.id == id)
    }
}

impl<'t> Item<'t> for StageRow<'t> {
    fn id(self) -> &'t str {
        &self.stage.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "created_at" | "updated_at" => Value::Time(self.stage.created_at),
            _ => Value::Null,
        }
    }

    fn write(self, record: &mut Record) {
        record
            .time("created_at", self.stage.created_at)
            .time("updated_at", self.stage.created_at)
            .text("name", self.stage.name)
            .number("order", self.order);
    }
}

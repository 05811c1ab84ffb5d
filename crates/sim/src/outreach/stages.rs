//! Stages of prospects.

use super::record::Record;
use super::resource::{Item, Resource, Schema, fs};
use super::value::{Kind, Value};
use crate::world::Team;
use crate::world::catalogue::Stage;

#[derive(Debug)]
pub(super) struct Stages;

/// A stage with its index.
#[derive(Debug, Clone, Copy)]
pub(super) struct StageRow<'t> {
    stage: &'t Stage,
    order: usize,
}

impl Resource for Stages {
    type Row<'t> = StageRow<'t>;

    const SCHEMA: Schema = Schema {
        kind: "stage",
        plural: "stages",
        controller: "Stages",
        fields: &[
            fs("name", Kind::Text),
            fs("order", Kind::Number),
            fs("createdAt", Kind::Time),
            fs("updatedAt", Kind::Time),
        ],
        relations: &[],
    };

    fn rows(team: &Team) -> impl Iterator<Item = StageRow<'_>> {
        let stages = team.contact_stages.iter().enumerate();
        stages.map(|(order, stage)| StageRow { stage, order })
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<StageRow<'t>> {
        Self::rows(team).find(|row| row.stage.id == id)
    }
}

impl<'t> Item<'t> for StageRow<'t> {
    fn id(self) -> &'t str {
        &self.stage.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "name" => Value::Text(self.stage.name),
            "order" => Value::count(self.order),
            "createdAt" | "updatedAt" => Value::Time(self.stage.created_at),
            _ => Value::Null,
        }
    }

    fn related(self, _: &str) -> Vec<&'t str> {
        Vec::new()
    }

    fn write(self, record: &mut Record<'_>) {
        record
            .nulls(&["color"])
            .time("createdAt", self.stage.created_at)
            .text("name", self.stage.name)
            .number("order", self.order)
            .time("updatedAt", self.stage.created_at)
            .relate_one("creator", "user", None)
            .relate_one("updater", "user", None);
    }
}

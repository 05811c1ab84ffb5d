//! What pages are made of: states, gauges and charts as HTML and SVG.

mod bars;
mod gauge;
mod state;

pub(crate) use self::{
    bars::{Bars, start_of_charts},
    gauge::Gauge,
    state::State,
};

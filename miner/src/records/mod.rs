//! What has happened, for everybody who asks later: the last events, and what can be counted from them. Written on a
//! thread behind the engine, so that nothing here can delay a share.

mod events;

use std::io;
use std::sync::Arc;

pub use events::{Event, Events, MAX_EVENTS};

use crate::engine::{Happening, Snapshot};
use crate::ui::Screen;

/// All records of one miner.
#[derive(Debug, Default)]
pub struct Records {
    /// The last events.
    pub events: Events,
}

/// Takes what happens into [`Records`].
pub struct Recorder {
    records: Arc<Records>,
    translate: Translate,
}

/// What interfaces are told of a happening: the kind and the fields of an event.
pub type Translate = Box<dyn FnMut(&Happening) -> Option<(&'static str, serde_json::Value)>>;

impl Recorder {
    /// Writes to `records`.
    pub fn new(records: Arc<Records>, translate: Translate) -> Self {
        Self { records, translate }
    }
}

impl Screen for Recorder {
    fn happening(&mut self, happening: &Happening) -> io::Result<()> {
        if let Some((kind, fields)) = (self.translate)(happening) {
            self.records.events.add(kind, &fields);
        }
        Ok(())
    }

    fn second(&mut self, _snapshot: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn rates(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }
}

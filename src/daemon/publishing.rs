//! Where what is published meets those who give it out: the shelf, those who watch, the copy on disk.

use std::sync::Arc;

use crate::config::Config;
use crate::domain::status::event::Event;
use crate::http::live::Live;
use crate::http::shelf::{Entry, Shelf};
use crate::jobs::publisher::{Publisher, STALE_AFTER};
use crate::jobs::snapshot::Snapshot;
use crate::render::Renderer;
use crate::render::publish::Document;
use crate::usecase::Gateway;

/// Streams take at most half of the connections: pages are for those who do not watch, too.
pub fn live_of(config: &Config) -> Live {
    let public = &config.public;
    Live::new((public.door.connections_max / 2).max(1), public.connections_per_address_max)
}

/// The publisher of a running gateway.
pub fn publisher(
    config: &Config,
    gateway: &Arc<Gateway>,
    renderer: &Arc<Renderer>,
    shelf: &Arc<Shelf>,
    live: &Arc<Live>,
) -> Publisher {
    let snapshot = Arc::new(Snapshot::new(config.snapshot_dir.clone()));
    let shelve = {
        let shelf = shelf.clone();
        Box::new(move |documents: &[Document], now| shelf.fill(documents.iter().map(entry), now + STALE_AFTER))
    };
    let tell = {
        let live = live.clone();
        Box::new(move |seq, event: &Event| live.tell(seq, event))
    };
    Publisher::new(gateway.clone(), renderer.clone(), snapshot, shelve, tell)
}

/// One that only renews the copy on disk.
pub fn copier(config: &Config, gateway: &Arc<Gateway>, renderer: &Arc<Renderer>) -> Publisher {
    let snapshot = Arc::new(Snapshot::new(config.snapshot_dir.clone()));
    Publisher::new(gateway.clone(), renderer.clone(), snapshot, Box::new(|_, _| ()), Box::new(|_, _| ()))
}

fn entry(document: &Document) -> Entry<'_> {
    Entry {
        path: &document.path,
        content_type: document.content_type,
        bytes: &document.bytes,
        max_age_seconds: document.max_age_seconds,
    }
}

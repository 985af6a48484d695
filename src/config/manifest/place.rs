//! A path into the manifest, such as `process[2].ready.timeout`, and the bytes it stands at.

use super::tree::{Kind, Node, Origin};

/// One step of a path.
#[derive(Clone, Debug)]
enum Segment {
    Key(String),
    Index(usize),
}

/// A path into the manifest.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    segments: Vec<Segment>,
    /// The name of the last key is meant and not its value.
    is_key: bool,
}

impl Place {
    /// The value of the top-level key `name`.
    pub(super) fn top(name: &str) -> Self {
        Self::default().key(name)
    }

    /// The value of `name` in the table here.
    pub(super) fn key(&self, name: &str) -> Self {
        self.with(Segment::Key(name.to_owned()))
    }

    /// Entry `index` of the list here.
    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The key that ends this path, instead of its value.
    pub(super) fn itself(mut self) -> Self {
        self.is_key = true;
        self
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.segments.clone();
        segments.push(segment);
        Self { segments, is_key: false }
    }

    /// Where this stands in `root`; what is not written (a default) stands where the nearest thing around it does.
    pub(super) fn origin(&self, root: &Node) -> Origin {
        let mut node = root;
        let mut key = &root.origin;
        for segment in &self.segments {
            let next = match (segment, &node.kind) {
                (Segment::Key(name), Kind::Table(table)) => table.get(name).map(|(origin, node)| (origin, node)),
                (Segment::Index(index), Kind::List(list)) => list.get(*index).map(|node| (&node.origin, node)),
                _ => None,
            };
            let Some(next) = next else { return node.origin.clone() };
            (key, node) = next;
        }
        if self.is_key { key.clone() } else { node.origin.clone() }
    }
}
